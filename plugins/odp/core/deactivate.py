"""Marking records as not active whose entity the source no longer has."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import orjson

from odp.core.bodies import MAX_ITEMS, Body, ItemState
from odp.core.client import OdpClient
from odp.core.contract import contract_fields
from odp.core.differences import DEACTIVATED, DELETED_FILE, read_staged
from odp.core.exceptions import TooManyDeletedError
from odp.core.exports import Export
from odp.core.ledger import Ledger
from odp.core.read_back import read_profiles
from odp.core.records import ProfileByEmail, Record
from odp.core.staging import Staging

log = logging.getLogger(__name__)

ACTIVE = "is_active"
FEW = 10
"""Records that may be marked at once, whatever share of all they are."""

FindPeople = Callable[[Collection[str]], set[str]]
"""Tells which of some user profile ids the source still has."""


def can_deactivate(contract: type[Record], columns: Iterable[str]) -> bool:
    """
    Tell whether an export has a mark for what the source no longer has.

    :param contract: the export's contract.
    :param columns: names of the columns that its mapping file selects.
    """
    return len(contract.key) == 1 and ACTIVE in columns and any(field.name == ACTIVE for field in contract_fields(contract))


def check_share(deleted: int, known: int, source_rows: int, max_ratio: float, export: str) -> None:
    """
    Refuse to mark so many records that something else must be wrong.

    :param deleted: records whose entity the source no longer has.
    :param known: all records that the ledger knows and that are not marked.
    :param source_rows: rows of the source.
    :param max_ratio: largest share that may be marked.
    :param export: id of the export, for the message.
    :raises TooManyDeletedError: if it is more.
    """
    if source_rows and deleted <= max(FEW, max_ratio * known):
        return
    raise TooManyDeletedError(
        f"{export}: {deleted} of {known} records are no longer in the source, which has {source_rows} rows. Nothing was "
        "marked as not active. Check that the replica is complete and that neither the key's column nor email_mode was changed. "
        f"If they are really gone, raise max_deactivate_ratio (now {max_ratio:g}) in odp_settings for one run."
    )


def deactivate(
    export: Export,
    contract: type[Record],
    client: OdpClient,
    ledger: Ledger,
    staging: Staging,
    run_id: str,
    find_people: FindPeople,
) -> dict[str, int]:
    """
    Send ``is_active`` false for each record whose entity the source no longer has, and write that down so that it happens once.

    :param export: the export.
    :param contract: its contract under the team's settings.
    :param client: the account.
    :param ledger: the export's ledger.
    :param staging: where the comparison staged what was deleted.
    :param run_id: the run of odp_consistency.
    :param find_people: asks the source for people.
    :return: number of records that were ``deactivated``, ``kept`` (the person goes on under another e-mail address, or somebody
        has delivered the record meanwhile) and ``rejected`` by ODP.
    """
    counts: Counter[str] = Counter(deactivated=0, kept=0, rejected=0)
    key = contract.key[0]

    def bodies() -> Iterator[Body]:
        rows = read_staged(staging, DELETED_FILE)
        while batch := list(itertools.islice(rows, MAX_ITEMS)):
            known = {key_hash: content for key_hash, content, _ in ledger.acknowledged([row[1] for row in batch]).iter_rows()}
            gone = [(record_key, key_hash) for record_key, key_hash, content in batch if known.get(key_hash) == content]
            if issubclass(contract, ProfileByEmail):
                gone = _without_renamed(client, export, ledger, gone, find_people)
            counts["kept"] += len(batch) - len(gone)
            if gone:
                yield _body(export, key, gone)

    def send(body: Body) -> tuple[Body, set[int]]:
        return body, {item.position for item in client.deliver(export.path, body)}

    for body, refused in client.each(bodies(), send):
        accepted = [state for at, state in enumerate(ItemState.read(body.states)) if at not in refused]
        counts.update(deactivated=len(accepted), rejected=len(refused))
        with ledger.connection.transaction():
            ledger.confirm_in_transaction(run_id, ItemState.write(accepted))
    return dict(counts)


def _body(export: Export, key: str, gone: Sequence[tuple[str, str]]) -> Body:
    rows = [{key: record_key, ACTIVE: False} for record_key, _ in gone]
    items = [{"attributes": row} for row in rows] if export.family == "profiles" else rows
    states = [ItemState(record_key, key_hash, DEACTIVATED, "", True, record_key) for record_key, key_hash in gone]
    return Body(len(items), orjson.dumps(items), ItemState.write(states), len(items))


def _without_renamed(
    client: OdpClient, export: Export, ledger: Ledger, gone: Sequence[tuple[str, str]], find_people: FindPeople
) -> list[tuple[str, str]]:
    """
    Leave out e-mail addresses of people who are still there: ODP has one profile of a person, with the old and the new address.

    Their old address is forgotten. An address that ODP does not know as that of a person of Commerce is left alone.
    """
    profiles = read_profiles(client, [{"email": address} for address, _ in gone])
    people = [profile and profile.get("business_user_id") for profile in profiles]
    still_there = find_people({person for person in people if person})
    ledger.forget([key_hash for (_, key_hash), person in zip(gone, people, strict=True) if person in still_there])
    return [entry for entry, person in zip(gone, people, strict=True) if person and person not in still_there]
