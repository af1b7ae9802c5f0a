"""How PostgreSQL runs the page's queries: by index, whatever the ledger holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from odp.core.coverage import read_coverages
from odp.core.exports import EXPORTS
from odp.core.reject_search import find_rejects, open_rejects, read_reject, reason_groups
from odp.core.run_overview import accounts, latest_real_time_runs, latest_runs, recent_runs, unjudged_runs
from odp.core.run_trends import durations, rows_by_period
from sandbox.world import PROJECT, World
from tests.core.history import ACCOUNT, EXPORT, TODAY

IDS = [export.dag_id for export in EXPORTS]
RECENT = TODAY - timedelta(days=90)

# Five years of daily runs, each with a part, and as many rejects as a shop with a bad day has.
FILL = [
    "INSERT INTO export_run (account, export, run_id, window_start, window_end, state, extracted, delivered, summary, started_at,"
    " finished_at) SELECT a, e, 'run ' || n, began - interval '1 day', began, 'success', 1000, 1000,"
    " jsonb_build_object('skipped_by_reason', repeat('x', 1500)), began, began + interval '1 minute'"
    " FROM unnest(%(accounts)s::text[]) a, unnest(%(exports)s::text[]) e, generate_series(0, 1824) n,"
    " LATERAL (SELECT %(today)s - n * interval '1 day') AS times(began)",
    # And real time, some of which is under way.
    "INSERT INTO export_run (account, export, run_id, window_start, window_end, ids, state, extracted, delivered, summary,"
    " started_at, finished_at) SELECT a, e, 'odp_realtime/' || n, '-infinity', 'infinity', 3, 'success', 3, 3, '{}',"
    " now() - n * interval '1 minute', now() - n * interval '1 minute'"
    " FROM unnest(%(accounts)s::text[]) a, unnest(%(exports)s::text[]) e, generate_series(1, 4000) n",
    "INSERT INTO run_part (account, export, run_id, part, delivered) SELECT account, export, run_id, 0, 1000 FROM export_run",
    "INSERT INTO reject (account, export, entity_id, record_key, reason, run_id, last_at, closed_at)"
    " SELECT a, e, 'entity ' || n, 'key ' || n, 'reason ' || mod(n, 20), 'run', %(today)s - n * interval '1 minute',"
    " CASE WHEN mod(n, 2) = 0 THEN %(today)s - n * interval '1 minute' END"
    " FROM unnest(%(accounts)s::text[]) a, unnest(%(exports)s::text[]) e, generate_series(1, 4000) n",
    "VACUUM ANALYZE",
]


class Explaining(psycopg.Cursor[Any]):
    """A cursor that keeps the plan of each query it runs."""

    plans: list[dict[str, Any]] = []

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """Explain the query, then run it."""
        plain = psycopg.Cursor(self.connection)
        [[[explained]]] = plain.execute(f"EXPLAIN (FORMAT JSON) {query}", params).fetchall()
        self.plans.append(explained["Plan"])
        return super().execute(query, params, **options)


@pytest.fixture(scope="module")
def connection(world: World) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a ledger of five years and of two accounts, which explains what it runs."""
    dsn = world.postgres.create_database("page_plans")
    with psycopg.connect(dsn, autocommit=True) as filling:
        filling.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
        for statement in FILL:
            filling.execute(statement, {"today": TODAY, "accounts": [ACCOUNT, "another"], "exports": IDS})
    with psycopg.connect(dsn, autocommit=True, cursor_factory=Explaining) as opened:
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def some_reject(connection: psycopg.Connection[Any]) -> int:
    unexplained = psycopg.Cursor(connection)
    query = "SELECT min(id) FROM reject WHERE account = %s AND export = %s"
    return int(unexplained.execute(query, (ACCOUNT, EXPORT)).fetchall()[0][0])


QUERIES: dict[str, Callable[[Any], Any]] = {
    "the latest runs": lambda c: latest_runs(c, ACCOUNT, IDS),
    "the latest runs of real time": lambda c: latest_real_time_runs(c, ACCOUNT, IDS),
    "accounts": accounts,
    "recent runs": lambda c: recent_runs(c, ACCOUNT, EXPORT, limit=10),
    "rows by day": lambda c: rows_by_period(c, ACCOUNT, EXPORT, since=RECENT, period="day"),
    "durations": lambda c: durations(c, ACCOUNT, EXPORT, since=RECENT, limit=400),
    "the number of rejects": lambda c: open_rejects(c, ACCOUNT, IDS),
    "rejects by reason": lambda c: reason_groups(c, ACCOUNT, EXPORT),
    "the first rejects": lambda c: find_rejects(c, ACCOUNT, EXPORT, limit=51),
    "rejects that match": lambda c: find_rejects(c, ACCOUNT, EXPORT, text="key 39", limit=51),
    "rejects of a reason": lambda c: find_rejects(c, ACCOUNT, EXPORT, reason_group="reason 7", limit=51),
    "one reject": lambda c: read_reject(c, ACCOUNT, EXPORT, some_reject(c)),
}


@pytest.mark.parametrize("name", QUERIES)
def test_by_index(connection: psycopg.Connection[Any], name: str) -> None:
    Explaining.plans.clear()
    assert QUERIES[name](connection)
    (plan,) = Explaining.plans
    read = [(node["Node Type"], node["Relation Name"]) for node in nodes(plan) if "Relation Name" in node]
    assert read
    assert not [table for kind, table in read if kind == "Seq Scan"], read


def test_coverage_is_read_from_its_index_alone(connection: psycopg.Connection[Any]) -> None:
    Explaining.plans.clear()
    assert len(read_coverages(connection, ACCOUNT)) == 6
    assert read_coverages(connection, ACCOUNT, EXPORT)
    for plan in Explaining.plans:
        read = [(node["Node Type"], node.get("Index Name")) for node in nodes(plan) if "Relation Name" in node]
        assert read == [("Index Only Scan", "export_run_covered")]


def test_runs_that_are_not_done_are_found_among_all_by_their_own_index(connection: psycopg.Connection[Any]) -> None:
    Explaining.plans.clear()
    assert unjudged_runs(connection, ACCOUNT, IDS, RECENT) == []
    (plan,) = Explaining.plans
    used = {node["Index Name"] for node in nodes(plan) if node.get("Index Name")}
    assert "export_run_unjudged" in used
    assert not [node for node in nodes(plan) if node["Node Type"] == "Seq Scan"]


@pytest.mark.parametrize("name", ["the latest runs", "recent runs", "durations"])
def test_runs_of_real_time_are_passed_over_by_index(connection: psycopg.Connection[Any], name: str) -> None:
    Explaining.plans.clear()
    QUERIES[name](connection)
    (plan,) = Explaining.plans
    assert "export_run_own" in {node.get("Index Name") for node in nodes(plan)}
