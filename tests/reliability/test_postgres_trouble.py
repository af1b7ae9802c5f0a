"""PostgreSQL and the disk fail under the stages: a clear error, and a retry that loses and doubles nothing."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from odp.core.exceptions import OdpExportError, StagingError
from odp.core.exports import ORDERS, PRODUCTS, USER_PROFILES, Export
from odp.core.extract import MANIFEST
from odp.core.ledger import Ledger
from odp.core.settings import Settings
from odp.sql_files import SQL_DIR
from sandbox.commerce import generate
from sandbox.postgres import PostgresServer
from sandbox.world import PROJECT
from tests.reliability.conftest import SEARCH_PATH
from tests.reliability.harness import Pipeline, Run, sent_keys, stored_keys, uploads_to
from tests.reliability.killing import wait_until

_processes = multiprocessing.get_context("forkserver")

FAMILIES = [PRODUCTS, USER_PROFILES, ORDERS]


@pytest.fixture(params=FAMILIES, ids=lambda export: export.family)
def export(request: pytest.FixtureRequest) -> Export:
    """One export of each API family."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server that tests may restart."""
    with PostgresServer(tmp_path_factory.mktemp("server") / "data") as running:
        generate(running.create_database("commerce"), customers=60, orders=200, products=80, seed=3)
        yield running


@pytest.fixture
def frail_replica(server: PostgresServer, pipeline: Pipeline) -> Pipeline:
    """From a replica whose server the test may restart."""
    return replace(pipeline, replica=server.dsn("commerce") + SEARCH_PATH)


@pytest.fixture
def frail_ledger(server: PostgresServer, pipeline: Pipeline) -> Pipeline:
    """With an empty ledger whose server the test may restart."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS odp_ledger WITH (FORCE)")
    dsn = server.create_database("odp_ledger")
    with psycopg.connect(dsn, autocommit=True) as connection:
        # The server may lose what it wrote last, as this sandbox is configured; the ledger's own connections do not let it.
        connection.execute("SET synchronous_commit = on")
        connection.execute((PROJECT / "include" / "sql" / "ledger.sql").read_bytes())
    return replace(pipeline, ledger_dsn=dsn, batch_size=10, concurrency=2)


def huge(export: Export) -> str:
    """The mapping of an export, so many times over that it cannot have been read before something happens."""
    mapping = Path(SQL_DIR, export.sql).read_text().strip().rstrip(";")
    return f"SELECT huge.* FROM (\n{mapping}\n) AS huge CROSS JOIN generate_series(1, 50000)"


def finish(run: Run, export: Export, odp: Any) -> None:
    """Finish a run, and check that ODP holds everything once."""
    for stage in (run.transform, run.load, run.reconcile):
        stage()
    has_all(run, export, odp)


def has_all(run: Run, export: Export, odp: Any) -> None:
    assert stored_keys(odp, export) == sent_keys(run)
    assert run.summary["delivered"] == run.transformed[0]["records"]
    again = run.pipeline.run(export)
    assert (again.summary["delivered"], again.summary["uncertain"]) == (0, 0)
    assert stored_keys(odp, export) == sent_keys(run)


def staged(run: Run) -> list[str]:
    return sorted(os.listdir(run.staging.folder)) if run.staging.folder.exists() else []


def looks_unfinished(run: Run) -> bool:
    """Tell whether nothing that a run has staged is half a file, or says that extract has come to its end."""
    return not any(name.endswith(".partial") or name == MANIFEST for name in staged(run))


class TestExtract:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_replica_restarted(
        self, frail_replica: Pipeline, server: PostgresServer, odp: Any, export: Export, mode: Literal["fast", "immediate"]
    ) -> None:
        run = frail_replica.start(export, mapping=huge(export))
        with ThreadPoolExecutor(1) as executor:
            extracting = executor.submit(run.attempt, run.extract)
            wait_until(lambda: any(name.endswith(".partial") for name in staged(run)) or extracting.done())
            server.restart(mode)
            error = extracting.exception(60)

        assert isinstance(error, psycopg.OperationalError)
        assert looks_unfinished(run)
        assert frail_replica.query("SELECT state, error IS NOT NULL FROM export_run") == [("failed", True)]
        run.mapping = Path(SQL_DIR, export.sql).read_text()
        run.extract()
        finish(run, export, odp)

    def test_replica_down(self, frail_replica: Pipeline, server: PostgresServer, odp: Any) -> None:
        run = frail_replica.start(PRODUCTS)
        server.stop()
        try:
            with pytest.raises(psycopg.OperationalError, match="Connection refused"):
                run.extract()
        finally:
            server.start()
        run.extract()
        finish(run, PRODUCTS, odp)

    def test_statement_timeout(self, pipeline: Pipeline, odp: Any, export: Export) -> None:
        hasty = replace(pipeline, settings=Settings().model_copy(update={"statement_timeout_minutes": 1 / 60}))
        run = hasty.start(export, mapping=huge(export))

        with pytest.raises(OdpExportError, match=r"statement timeout.*statement_timeout_minutes"):
            run.extract()

        assert looks_unfinished(run)
        run.pipeline, run.mapping = pipeline, Path(SQL_DIR, export.sql).read_text()
        run.extract()
        finish(run, export, odp)

    def test_disk_full(self, pipeline: Pipeline, odp: Any, export: Export) -> None:
        run = pipeline.start(export)

        kind, words = with_small_disk(run, "extract", 3_000)

        assert kind == "OSError"
        assert "too large" in words
        assert looks_unfinished(run)
        run.extract()
        finish(run, export, odp)

    def test_a_part_that_is_not_whole_is_not_taken_for_one(self, pipeline: Pipeline, odp: Any) -> None:
        run = pipeline.start(PRODUCTS)
        run.extract()
        part = run.staging.folder / run.parts[0]["file"]
        whole = part.read_bytes()
        for damage in (whole[: len(whole) // 2], whole[:-1], b""):
            part.write_bytes(damage)
            with pytest.raises(StagingError, match="Clear the"):
                run.transform()
        assert uploads_to(odp) == []

    def test_a_retry_overwrites_what_the_first_try_left(self, changing: Pipeline, odp: Any) -> None:
        many_parts = replace(changing, settings=Settings(part_rows=10))
        run = many_parts.start(PRODUCTS)
        run.extract()
        run.transform()
        assert len(run.parts) == 8
        changing.change("DELETE FROM Product WHERE Id IN (SELECT Id FROM Product ORDER BY Id LIMIT 40)")

        run.extract()

        assert staged(run) == sorted([*(part["file"] for part in run.parts), "extract.json"])
        assert len(run.parts) == 4
        run.transform()
        run.load()
        run.reconcile()
        assert stored_keys(odp, PRODUCTS) == sent_keys(run)
        assert run.summary["delivered"] == 40


class TestTransform:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_ledger_restarted(
        self, frail_ledger: Pipeline, server: PostgresServer, odp: Any, export: Export, mode: Literal["fast", "immediate"]
    ) -> None:
        run = frail_ledger.start(export)
        run.extract()
        server.stop(mode)
        try:
            with pytest.raises(psycopg.OperationalError):
                run.transform()
        finally:
            server.start()
        finish(run, export, odp)

    def test_disk_full(self, pipeline: Pipeline, odp: Any, export: Export) -> None:
        run = pipeline.start(export)
        run.extract()
        before = staged(run)

        kind, words = with_small_disk(run, "transform", 1_000)

        assert kind == "OSError"
        assert "too large" in words
        assert staged(run) == before
        finish(run, export, odp)


class TestLoad:
    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_ledger_restarted(
        self, frail_ledger: Pipeline, server: PostgresServer, odp: Any, export: Export, mode: Literal["fast", "immediate"]
    ) -> None:
        run = frail_ledger.start(export)
        run.extract()
        run.transform()
        odp.faults(path=f"/v3{export.path}", after=2, count=2, delay=1, mode="delay")

        with ThreadPoolExecutor(1) as executor:
            loading = executor.submit(run.attempt, run.load)
            wait_until(lambda: len(uploads_to(odp)) >= 4)
            server.stop(mode)
            time.sleep(0.2)
            server.start()
            error = loading.exception(60)

        # Events are confirmed one request at a time, over connections that broke; records at the end, over one that broke.
        assert isinstance(error, psycopg.OperationalError)
        run.load()
        run.reconcile()
        has_all(run, export, odp)

    def test_ledger_down_from_the_start(self, frail_ledger: Pipeline, server: PostgresServer, odp: Any) -> None:
        run = frail_ledger.start(ORDERS)
        run.extract()
        run.transform()
        server.stop()
        try:
            with pytest.raises(psycopg.OperationalError, match="Connection refused"):
                run.load()
        finally:
            server.start()
        assert uploads_to(odp) == []
        run.load()
        run.reconcile()
        has_all(run, ORDERS, odp)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
    def test_disk_full_when_the_rejects_are_written(self, pipeline: Pipeline, odp: Any, export: Export) -> None:
        """Everything is delivered by then: the retry sends nothing, and the counts are the same."""
        run = pipeline.start(export)
        run.extract()
        run.transform()
        os.symlink("/dev/full", run.staging.folder / ".rejects-odp-00000.jsonl.zst.partial")

        with pytest.raises(OSError, match="No space left on device"):
            run.load()

        sent = len(uploads_to(odp))
        run.load()
        run.reconcile()
        assert uploads_to(odp, since=sent) == []
        has_all(run, export, odp)

    def test_confirmation_whose_answer_is_lost(self, pipeline: Pipeline, odp: Any, export: Export) -> None:
        """The ledger has recorded what ODP acknowledged, but the worker does not learn of it."""
        run = pipeline.start(export)
        run.extract()
        run.transform()
        run.ledger = lambda: Ledger(  # type: ignore[method-assign]
            lambda: _LosingConnection.connect(pipeline.ledger_dsn), pipeline.account, export.dag_id
        )
        with pytest.raises(psycopg.OperationalError, match="the answer was lost"):
            run.load()

        run.ledger = lambda: pipeline.ledger(export)  # type: ignore[method-assign]
        sent = len(uploads_to(odp))
        run.load()
        run.reconcile()
        assert uploads_to(odp, since=sent) == []
        has_all(run, export, odp)

    def test_claim_whose_answer_is_lost(self, pipeline: Pipeline, odp: Any) -> None:
        """The ledger holds the claims, but the worker does not learn of it: nothing was sent."""
        run = pipeline.start(ORDERS)
        run.extract()
        run.transform()
        run.ledger = lambda: Ledger(  # type: ignore[method-assign]
            lambda: _LosingClaims.connect(pipeline.ledger_dsn), pipeline.account, ORDERS.dag_id
        )
        with pytest.raises(psycopg.OperationalError, match="the answer was lost"):
            run.load()
        assert uploads_to(odp) == []

        pipeline.age_claims()
        run.ledger = lambda: pipeline.ledger(ORDERS)  # type: ignore[method-assign]
        run.load()
        run.reconcile()
        has_all(run, ORDERS, odp)


class _LosingConnection(psycopg.Connection[Any]):
    """A connection that loses the answers to commits after a statement about a table."""

    table = "run_part"
    touched = False

    def execute(self, query: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[Any]:
        self.touched |= self.table in str(query)
        return super().execute(query, *arguments, **options)

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        self.touched = False
        with super().transaction(*arguments, **options) as transaction:
            yield transaction
        if self.touched:
            raise psycopg.OperationalError("the answer was lost")


class _LosingClaims(_LosingConnection):
    table = "INTO event_delivery"


def _limited(run: Run, stage: str, size: int, answer: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        getattr(run, stage)()
    except Exception as error:
        answer.send((type(error).__name__, str(error)))
    else:
        answer.send(("", "it succeeded"))


def with_small_disk(run: Run, stage: str, size: int) -> tuple[str, str]:
    """Run a stage in a process whose files cannot grow beyond a size; return the error's kind and words."""
    answer, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_limited, args=(run, stage, size, theirs), daemon=True)
    process.start()
    theirs.close()
    received: tuple[str, str] = answer.recv()
    process.join(30)
    return received
