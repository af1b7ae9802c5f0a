"""The page that shows what arrived."""

from __future__ import annotations

from sandbox.odp.account import OdpAccount


def render_page(account: OdpAccount) -> str:
    """
    Return the page as HTML.

    :param account: whose data to show.
    """
    return f"<!doctype html><title>ODP sandbox</title><pre>{account.counts()}</pre>"
