"""
Each fault with each family of exports: nothing lost, no event twice. The results make up docs/reliability.md.

``ODP_WRITE_DOCS=1 pytest tests/reliability/test_matrix.py`` writes the document; without it, the document is compared.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psycopg
import pytest

from odp.core.exports import ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.sql_files import SQL_DIR
from sandbox.commerce import generate
from sandbox.odp.server import SandboxOdp
from sandbox.postgres import PostgresServer
from tests.reliability.conftest import SEARCH_PATH
from tests.reliability.document import DOCUMENT, written
from tests.reliability.faults import FAULTS, Cell, Fault
from tests.reliability.harness import Pipeline, stored_keys

FAMILIES = (PRODUCTS, USER_PROFILES, ORDERS)


@dataclass(frozen=True)
class Result:
    """What a cell showed."""

    extracted: int
    due: int
    stored: int
    doubled: int
    lost: int
    first: str
    then: str


RESULTS: dict[tuple[str, str], Result] = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server of the matrix's own: it is restarted, and its replica is the same each time."""
    with PostgresServer(tmp_path_factory.mktemp("matrix") / "data") as running:
        now = datetime(2026, 1, 15, tzinfo=timezone.utc)
        generate(running.create_database("generated"), customers=60, orders=200, products=80, seed=3, now=now)
        copy_replica(running)
        with psycopg.connect(running.create_database("odp_ledger"), autocommit=True) as connection:
            connection.execute("SET synchronous_commit = on")
            connection.execute(Path(SQL_DIR, "ledger.sql").read_bytes())
        yield running


@pytest.fixture
def cell(server: PostgresServer, odp: SandboxOdp, tmp_path: Path) -> Iterator[Cell]:
    """A replica, an empty ledger and an empty ODP."""
    with psycopg.connect(server.dsn("odp_ledger"), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = on")
        connection.execute("TRUNCATE record_state, event_delivery, pacing, export_run, run_part, reject")
    replica = server.dsn("commerce") + SEARCH_PATH
    pipeline = Pipeline(replica=replica, ledger_dsn=server.dsn("odp_ledger"), url=odp.url, key=odp.key, root=tmp_path / "staging")
    prepared = Cell(PRODUCTS, pipeline, odp, server)
    yield prepared
    if prepared.changed:
        copy_replica(server)


def copy_replica(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS commerce WITH (FORCE)")
        connection.execute("CREATE DATABASE commerce TEMPLATE generated")


@pytest.fixture(scope="module")
def due(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Counter[str]]:
    """What ODP has to hold in the end, by family, told by the replica alone."""
    people = "UserProfile u WHERE NOT u.IsGuest AND btrim(u.Email) <> ''"
    someone = (
        "EXISTS (SELECT 1 FROM UserProfile u WHERE u.Id IN (o.PlacedByUserProfileId, o.InitiatedByUserProfileId)"
        " AND NOT u.IsGuest)"
        " OR btrim(o.BtEmail) <> '' OR btrim(o.StEmail) <> ''"
    )
    mapped = "SELECT lower(m.ErpOrderStatus) FROM OrderStatusMapping m WHERE m.OdpActionType"
    placed = f"FROM CustomerOrder o WHERE o.OrderNumber <> '' AND ({someone}) AND lower(o.Status)"
    purchased = f"{placed} IN (VALUES ('submitted'), ('punchout'), ('readyforpickup') UNION {mapped} = 'Purchase')"
    cancelled = f"{placed} IN (VALUES ('cancellationrequested') UNION {mapped} = 'Cancel')"
    queries = {
        "objects": "SELECT Id::text FROM Product",
        "profiles": f"SELECT DISTINCT lower(btrim(u.Email)) FROM {people}",
        "events": f"SELECT o.OrderNumber || ' purchase' {purchased} UNION ALL"
        f" SELECT o.OrderNumber || ' purchase' {cancelled} UNION ALL SELECT o.OrderNumber || ' cancel' {cancelled}",
    }
    with psycopg.connect(server.dsn("generated") + SEARCH_PATH) as connection:
        return {family: Counter(row[0] for row in connection.execute(query)) for family, query in queries.items()}


@pytest.mark.parametrize("export", FAMILIES, ids=lambda export: export.family)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_nothing_is_lost_and_no_event_is_doubled(
    fault: Fault, export: Export, cell: Cell, odp: SandboxOdp, due: dict[str, Counter[str]]
) -> None:
    cell.export = export

    fault.happen(cell)

    assert [waiting for waiting in odp.faults() if waiting["path"] == f"/v3{export.path}"] == []
    wanted, stored = due[export.family], stored_keys(odp, export)
    result = Result(
        extracted=cell.runs[0].transformed[0]["extracted"],
        due=wanted.total(),
        stored=stored.total(),
        doubled=(stored - Counter(dict.fromkeys(stored, 1))).total(),
        lost=(wanted - stored).total(),
        first=cell.first,
        then=cell.then,
    )
    RESULTS[fault.name, export.family] = result
    assert (result.doubled, result.lost, stored - wanted) == (0, 0, Counter())
    assert (cell.then or cell.first).endswith("succeeded")
    last = cell.pipeline.run(export)
    assert (last.summary["delivered"], last.summary["uncertain"], last.summary["rejected"]) == (0, 0, 0)
    assert stored_keys(odp, export) == wanted
    ledger = cell.pipeline.query
    assert ledger("SELECT count(*) FROM event_delivery WHERE state <> 'delivered'") == [(0,)]
    assert ledger("SELECT count(*) FROM reject WHERE closed_at IS NULL") == [(0,)]


def test_the_document_shows_these_results() -> None:
    if len(RESULTS) < len(FAULTS) * len(FAMILIES):
        pytest.skip("only a part of the matrix was run")
    text = written(FAULTS, [export.family for export in FAMILIES], RESULTS)
    if os.environ.get("ODP_WRITE_DOCS") == "1":
        DOCUMENT.parent.mkdir(exist_ok=True)
        DOCUMENT.write_text(text)
    assert DOCUMENT.read_text() == text, "write it anew: ODP_WRITE_DOCS=1 pytest tests/reliability/test_matrix.py"
