"""The ledger, as the page reads it: one read-only connection for each request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
from airflow.sdk.exceptions import AirflowNotFoundException
from fastapi import Depends, Query

from odp.core.exceptions import LedgerError, OdpExportError
from odp.core.ledger import Ledger
from odp.core.run_overview import accounts
from odp.hooks.ledger import connect_to_ledger
from odp.hooks.odp import OdpHook
from odp.ui.access import LEDGER_CONNECTION, ODP_CONNECTION, ViewerDep

log = logging.getLogger(__name__)

_QUERY_SECONDS = 10


@dataclass(frozen=True)
class PageLedger:
    """
    What the page reads.

    :param connection: to the ledger.
    :param account: name of the ODP account that is shown.
    :param accounts: names of all accounts that the ledger knows.
    """

    connection: psycopg.Connection[Any]
    account: str
    accounts: tuple[str, ...]


def open_ledger(_: ViewerDep, account: Annotated[str | None, Query()] = None) -> Iterator[PageLedger]:
    """
    Open the ledger for a request, and close it afterwards.

    :param _: the user, asked for first so that nobody without login makes the ledger work.
    :param account: the account to show; by default that of the connection to ODP.
    """
    with Ledger(connect_to_ledger(LEDGER_CONNECTION), "", "") as ledger:
        connection = ledger.connection
        # The planner is free again: a page reads whole histories, unlike the exports, which read by key.
        connection.execute(
            f"RESET enable_seqscan; SET default_transaction_read_only = on; SET statement_timeout = '{_QUERY_SECONDS}s'"
        )
        known = accounts(connection)
        shown = account if account in known else _connected_account() or next(iter(known), "")
        yield PageLedger(connection, shown, tuple(dict.fromkeys((shown, *known))))


def _connected_account() -> str | None:
    try:
        return OdpHook(ODP_CONNECTION).account
    except (OdpExportError, AirflowNotFoundException) as error:
        log.warning("Connection %s names no ODP account: %s", ODP_CONNECTION, error)
        return None


LedgerDep = Annotated[PageLedger, Depends(open_ledger)]

LEDGER_ERRORS = (LedgerError, psycopg.Error)
