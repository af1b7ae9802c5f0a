"""Naming records where no personal data may appear: in logs, XCom and messages."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"([^\s@])[^\s@]*@(\w)[\w-]*(?:\.[\w-]+)*")


def mask_addresses(text: str) -> str:
    """
    Mask the e-mail addresses in a text: ``ana.ruiz@example.com`` becomes ``a***@e***``.

    :param text: any text.
    """
    return _ADDRESS.sub(r"\1***@\2***", text)


def label(record_key: str, entity_id: str) -> str:
    """
    Name a record by its key, or by Commerce's id of the entity where the key is an e-mail address.

    :param record_key: key of the record.
    :param entity_id: Commerce's id, as far as it is known; else the key.
    """
    return mask_addresses(entity_id if "@" in record_key else record_key)
