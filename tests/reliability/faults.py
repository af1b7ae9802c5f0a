"""The faults of the matrix: each breaks a run of an export in its own way, and says what came of it and of its repetition."""

from __future__ import annotations

import multiprocessing
import resource
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import psycopg

from odp.core.exports import Export
from odp.core.extract import MANIFEST
from odp.core.odp_schema import ensure_schema
from odp.core.parts import run_contract
from odp.core.settings import Settings
from odp.sql_files import SQL_DIR
from sandbox.postgres import PostgresServer
from tests.reliability.harness import Pipeline, Run, uploads_to
from tests.reliability.killing import LoadProcess, kill_while_it_waits_for, wait_until

STAGES = ("extract", "transform", "load", "reconcile")
PATIENT = Settings(visibility_delay_minutes=15)
_processes = multiprocessing.get_context("forkserver")


@dataclass
class Cell:
    """
    One export under one fault.

    :param export: the export.
    :param pipeline: from a replica that may be changed into an empty ODP.
    :param odp: that ODP.
    :param server: a PostgreSQL server that may be restarted.
    :param first: what became of the run.
    :param then: what became of its repetition, or of the next run.
    :param changed: whether the replica was changed.
    """

    export: Export
    pipeline: Pipeline
    odp: Any
    server: PostgresServer
    runs: list[Run] = field(default_factory=list)
    first: str = ""
    then: str = ""
    changed: bool = False

    def start(self, pipeline: Pipeline | None = None, **parameters: Any) -> Run:
        """Return a run that has not begun."""
        self.runs.append((pipeline or self.pipeline).start(self.export, **parameters))
        return self.runs[-1]

    def prepare(self, pipeline: Pipeline | None = None) -> Run:
        """Return a run that is about to load."""
        run = self.start(pipeline)
        run.extract()
        run.transform()
        return run

    def fault(self, **fault: Any) -> None:
        """Let uploads of the export meet a fault."""
        self.odp.faults(path=f"/v3{self.export.path}", **fault)

    def go_through(self, pipeline: Pipeline | None = None) -> None:
        """Run to the end, then repeat what failed."""
        run = self.start(pipeline)
        self.first = attempt(run, *STAGES)
        self.repeat(run)

    def repeat(self, run: Run) -> None:
        """Repeat a run from the stage that failed, or settle what it left uncertain by the next run."""
        if self.first.startswith("failed in"):
            stage = self.first.split()[2].rstrip(":")
            self.then = f"retried: {attempt(run, *STAGES[STAGES.index(stage) :])}"
        elif run.summary.get("uncertain"):
            self.settle()

    def settle(self) -> None:
        """Let the visibility delay pass and run once more."""
        self.odp.settings(visibility_delay=0)
        self.pipeline.age_claims()
        self.then = f"next run: {attempt(self.start(), *STAGES)}"


def attempt(run: Run, *stages: str) -> str:
    """Run stages; return how it ended, in words that are the same each time."""
    for stage in stages:
        try:
            run.attempt(getattr(run, stage))
        except psycopg.OperationalError:  # which of its kinds it is depends on the moment
            return f"failed in {stage}: PostgreSQL's OperationalError"
        except Exception as error:
            return f"failed in {stage}: {type(error).__name__}"
    return "succeeded, events uncertain" if run.summary["uncertain"] else "succeeded"


@dataclass(frozen=True)
class Fault:
    """
    A fault.

    :param name: what happens.
    :param survived: how it is survived, in a sentence or two.
    :param happen: lets it happen to a cell.
    """

    name: str
    survived: str
    happen: Callable[[Cell], None]


FAULTS: list[Fault] = []


def fault(name: str, survived: str) -> Callable[[Callable[[Cell], None]], Callable[[Cell], None]]:
    """Add a fault to the matrix."""

    def add(happen: Callable[[Cell], None]) -> Callable[[Cell], None]:
        FAULTS.append(Fault(name, survived, happen))
        return happen

    return add


def upload_fault(name: str, survived: str, **options: Any) -> None:
    """Add a fault that uploads meet."""

    def happen(cell: Cell) -> None:
        cell.fault(**options)
        cell.go_through(replace(cell.pipeline, batch_size=10))

    FAULTS.append(Fault(name, survived, happen))


@fault("none", "The measure of all others.")
def _none(cell: Cell) -> None:
    cell.go_through()


@fault("the unchanged source is exported again", "Every record is found unchanged in the ledger: not one request.")
def _again(cell: Cell) -> None:
    cell.go_through()
    sent = len(uploads_to(cell.odp))
    cell.then = f"next run: {attempt(cell.start(), *STAGES)}"
    assert uploads_to(cell.odp, since=sent) == []


upload_fault("429, three times", "Not taken: sent again after growing waits, or after Retry-After.", status=429, count=3, after=1)
upload_fault("503, three times", "Not taken: sent again after growing waits.", status=503, count=3, after=1)

_IN_HAND = (
    "ODP had the request in hand. Records are sent again, which changes nothing. Events are looked for in ODP first: those "
    "it has are confirmed, the others sent again."
)
upload_fault("500, not stored", _IN_HAND, status=500, count=2, after=1)
upload_fault("500 after it was stored", _IN_HAND, status=500, count=2, after=1, mode="store_then_fail")
upload_fault("502, not stored", _IN_HAND, status=502, count=2, after=1)
upload_fault("502 after it was stored", _IN_HAND, status=502, count=2, after=1, mode="store_then_fail")

_LOST = (
    "The answer is lost. Records are sent again. Events are looked for in ODP: those it shows are confirmed; those it does "
    "not show are sent again only once the visibility delay has passed (here it is 0)."
)
upload_fault("504, not stored", _LOST, status=504, count=2, after=1)
upload_fault("504 after it was stored", _LOST, status=504, count=2, after=1, mode="store_then_fail")
upload_fault("connection dropped, not stored", _LOST, mode="drop", count=2, after=1)
upload_fault("connection dropped after it was stored", _LOST, mode="store_then_drop", count=2, after=1)

_INVISIBLE = (
    "As before, with the visibility delay of 15 minutes that is the default, and an ODP that shows nothing yet: the events "
    "are kept as uncertain and the run says which; the next run after the delay settles them."
)


def _invisible(mode: str) -> Callable[[Cell], None]:
    def happen(cell: Cell) -> None:
        cell.pipeline = replace(cell.pipeline, settings=PATIENT)
        cell.odp.settings(visibility_delay=3600)
        cell.fault(mode=mode, count=2, after=1)
        cell.go_through(replace(cell.pipeline, batch_size=10))

    return happen


FAULTS.append(Fault("connection dropped, not stored, and ODP shows nothing for a while", _INVISIBLE, _invisible("drop")))
FAULTS.append(
    Fault("connection dropped after it was stored, and ODP shows nothing for a while", _INVISIBLE, _invisible("store_then_drop"))
)


@fault("the answer comes after the timeout, stored", "A lost answer; with the default delay, as the request may still arrive.")
def _timeout(cell: Cell) -> None:
    cell.pipeline = replace(cell.pipeline, settings=PATIENT)
    cell.fault(delay=0.6, mode="delay", count=2, after=1)
    run = cell.start(replace(cell.pipeline, batch_size=10, timeout=0.3))
    cell.first = attempt(run, *STAGES)
    wait_until(lambda: all(request["seconds"] for request in uploads_to(cell.odp)))
    cell.repeat(run)


_UNREADABLE = "Events whose answer was lost stay uncertain as long as ODP cannot say; the first run that can ask settles them."


def _public_key(mode: str) -> Callable[[Cell], None]:
    def happen(cell: Cell) -> None:
        private = cell.pipeline
        create_schema(cell)
        cell.pipeline = replace(private, key=cell.odp.public_key, settings=Settings(create_schema=False))
        cell.fault(mode=mode, after=1)
        run = cell.start(replace(cell.pipeline, batch_size=10))
        cell.first = attempt(run, *STAGES)
        cell.pipeline = private
        cell.repeat(run)

    return happen


def create_schema(cell: Cell) -> None:
    """Create the schema, which takes the private key."""
    run = cell.prepare()
    contract, _ = run_contract(cell.export, run.pipeline.settings, run.staging.read_json(MANIFEST))
    ensure_schema(run.pipeline.client(), contract)
    cell.runs.remove(run)


FAULTS.append(Fault("connection dropped, not stored, and the key may not read (public key)", _UNREADABLE, _public_key("drop")))
FAULTS.append(
    Fault(
        "connection dropped after it was stored, and the key may not read (public key)",
        _UNREADABLE,
        _public_key("store_then_drop"),
    )
)


@fault("connection dropped after it was stored, and GraphQL answers with errors", _UNREADABLE)
def _graphql_errors(cell: Cell) -> None:
    cell.odp.faults(path="/v3/graphql", status=200, body={"data": {"o0": None}, "errors": [{"message": "timed out"}]})
    cell.fault(mode="store_then_drop", after=1)
    cell.go_through(replace(cell.pipeline, batch_size=10))


_DOWN = (
    "The retry budget ends, a circuit stops all other requests, and the task fails. Its retry goes on with what ODP has not "
    "acknowledged."
)


@fault("503 for the whole retry budget", _DOWN)
def _down(cell: Cell) -> None:
    with_faults(cell, status=503)


@fault("429 for the whole retry budget", _DOWN)
def _throttled(cell: Cell) -> None:
    with_faults(cell, status=429)


@fault("500 for the whole retry budget", _DOWN)
def _broken(cell: Cell) -> None:
    with_faults(cell, status=500)


def with_faults(cell: Cell, **options: Any) -> None:
    """Run while nearly all uploads fail; then ODP is up again."""
    cell.fault(count=10_000, after=2, **options)
    run = cell.start(replace(cell.pipeline, batch_size=10, retry_budget=0.4))
    cell.first = attempt(run, *STAGES)
    clear_faults(cell.odp)
    cell.repeat(run)


def clear_faults(odp: Any) -> None:
    """Let ODP work again."""
    urllib.request.urlopen(urllib.request.Request(f"{odp.url}/_sandbox/faults", method="DELETE")).close()


_STOP = "Stops at once, as no retry can help, and names the causes; once mended, the cleared task delivers the rest."


@fault("403", _STOP)
def _forbidden(cell: Cell) -> None:
    with_faults(cell, status=403)


@fault("404", _STOP)
def _not_found(cell: Cell) -> None:
    with_faults(cell, status=404, body={"title": "Bad Request", "status": 404, "detail": {"message": "Not found"}})


upload_fault("413, three times", "The body is halved until it fits.", status=413, count=3)


_REFUSED = (
    "The named record is a reject, kept with its reason and ODP's answer. The other records of the request are sent again; the "
    "other events are looked for first, as ODP does not say whether it kept them. Mended, the reject goes out with the next run."
)
_NUMBERS = {
    "objects": ("products", "model_number", "Product", "ModelNumber", "true"),
    "profiles": ("customers", "fax", "UserProfile", "Fax", "NOT IsGuest AND Email <> ''"),
    "events": ("orders", "customer_po", "CustomerOrder", "CustomerPO", "Status = 'Submitted' AND OrderNumber <> ''"),
}


def _refused(*, keeps: bool) -> Callable[[Cell], None]:
    def happen(cell: Cell) -> None:
        name, wanted, table, column, where = _NUMBERS[cell.export.family]
        definition = {"name": wanted, "display_name": wanted, "type": "number"}
        cell.pipeline.client().request("POST", f"/schema/objects/{name}/fields", orjson.dumps(definition))
        cell.odp.settings(reject_wrong_types=True, keep_good_items=keeps)
        cell.changed = True
        cell.pipeline.change(f"UPDATE {table} SET {column} = ''")
        changed = cell.pipeline.change(
            f"UPDATE {table} SET {column} = 'not a number' WHERE Id = (SELECT min(Id::text)::uuid FROM {table} WHERE {where})"
        )
        assert changed == 1
        run = cell.start()
        cell.first = attempt(run, *STAGES)
        assert run.summary["rejected"] == 1
        cell.pipeline.change(f"UPDATE {table} SET {column} = ''")
        cell.then = f"next run: {attempt(cell.start(), *STAGES)}"

    return happen


FAULTS.append(Fault("400 that names a record, the others not kept", _REFUSED, _refused(keeps=False)))
FAULTS.append(Fault("400 that names a record, the others kept", _REFUSED, _refused(keeps=True)))


@fault(
    "400 that names nothing",
    "The body is halved until a single record is refused, which is a reject that the next run tries again.",
)
def _unnamed(cell: Cell) -> None:
    cell.fault(status=400, count=10, body={"detail": {"invalids": []}})
    cell.first = attempt(cell.start(), *STAGES)
    clear_faults(cell.odp)
    cell.then = f"next run: {attempt(cell.start(), *STAGES)}"


_KILLED = (
    "The retry sends what the ledger does not hold as acknowledged. Records may be sent twice, which changes nothing; events "
    "that are claimed are looked for in ODP first."
)


def _killed_at(table: str) -> Callable[[Cell], None]:
    def happen(cell: Cell) -> None:
        limits = {"objects": 5000.0, "profiles": 5000.0, "events": 5000.0}
        run = cell.prepare(replace(cell.pipeline, batch_size=10, concurrency=2, limits=limits))
        kill_while_it_waits_for(run, table)
        cell.first = "killed"
        cell.then = f"retried: {attempt(run, 'load', 'reconcile')}"

    return happen


FAULTS.append(Fault("load killed (SIGKILL) before its first request, events claimed", _KILLED, _killed_at("pacing")))
FAULTS.append(Fault("load killed (SIGKILL) between ODP's answer and the ledger", _KILLED, _killed_at("run_part")))


@fault("load killed (SIGKILL) midway", _KILLED)
def _killed_midway(cell: Cell) -> None:
    run = cell.prepare(replace(cell.pipeline, batch_size=10, concurrency=2))
    cell.fault(delay=0.5, mode="drop", count=2, after=2)
    with LoadProcess(run, confirm_rows=10) as process:
        wait_until(lambda: len(uploads_to(cell.odp)) == 4)
        process.kill()
    wait_until(lambda: all(request["seconds"] for request in uploads_to(cell.odp)))
    cell.first = "killed"
    cell.then = f"retried: {attempt(run, 'load', 'reconcile')}"


@fault(
    "load killed (SIGKILL), the whole run cleared and started anew",
    "Extracted and compared anew: what the ledger holds is unchanged; orders whose claims are open wait as uncertain for the "
    "next run.",
)
def _killed_and_cleared(cell: Cell) -> None:
    cell.pipeline = replace(cell.pipeline, settings=PATIENT)
    run = cell.prepare(replace(cell.pipeline, batch_size=10, concurrency=2))
    kill_while_it_waits_for(run, "run_part")
    cell.first = f"killed; cleared: {attempt(run, *STAGES)}"
    cell.repeat(run)


@fault(
    "two runs of the export at the same time",
    "Each event belongs to the run that claims it first in the ledger; records that both send are the same.",
)
def _two_runs(cell: Cell) -> None:
    runs = [cell.prepare(replace(cell.pipeline, batch_size=size)) for size in (7, 11)]
    cell.fault(delay=0.1, mode="delay", count=4)
    with ThreadPoolExecutor(2) as executor:
        outcomes = list(executor.map(lambda run: attempt(run, "load", "reconcile"), runs))
    assert all(outcome.startswith("succeeded") for outcome in outcomes)
    cell.first = "both succeeded"
    cell.then = f"next run: {attempt(cell.start(), *STAGES)}"


_POSTGRES = "The task fails and its retry starts from what is committed; of staged files only whole ones have a name."


@fault("replica restarted during extract", _POSTGRES)
def _replica(cell: Cell) -> None:
    run = cell.start(mapping=huge(cell.export))
    with ThreadPoolExecutor(1) as executor:
        extracting = executor.submit(attempt, run, "extract")
        wait_until(lambda: extracting.done() or any(run.staging.folder.glob(".*.partial")))
        cell.server.restart()
        cell.first = extracting.result()
    run.mapping = Path(SQL_DIR, cell.export.sql).read_text()
    cell.repeat(run)


@fault("statement timeout on the replica during extract", _POSTGRES)
def _statement_timeout(cell: Cell) -> None:
    hasty = replace(cell.pipeline, settings=Settings().model_copy(update={"statement_timeout_minutes": 1 / 60}))
    run = cell.start(hasty, mapping=huge(cell.export))
    cell.first = attempt(run, "extract")
    run.pipeline, run.mapping = cell.pipeline, Path(SQL_DIR, cell.export.sql).read_text()
    cell.repeat(run)


def huge(export: Export) -> str:
    """The mapping of an export, so many times over that it cannot have been read before something happens."""
    mapping = Path(SQL_DIR, export.sql).read_text().strip().rstrip(";")
    return f"SELECT huge.* FROM (\n{mapping}\n) AS huge CROSS JOIN generate_series(1, 50000)"


@fault("disk full while extract stages", _POSTGRES)
def _disk_of_extract(cell: Cell) -> None:
    run = cell.start()
    cell.first = on_small_disk(run, "extract", 3_000)
    cell.repeat(run)


@fault("disk full while transform stages", _POSTGRES)
def _disk_of_transform(cell: Cell) -> None:
    run = cell.start()
    run.extract()
    cell.first = on_small_disk(run, "transform", 1_000)
    cell.repeat(run)


def _on_small_disk(run: Run, stage: str, size: int, answer: Any) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    answer.send(attempt(run, stage))


def on_small_disk(run: Run, stage: str, size: int) -> str:
    """Run a stage in a process whose files cannot grow beyond a size."""
    answer, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_on_small_disk, args=(run, stage, size, theirs), daemon=True)
    process.start()
    theirs.close()
    outcome: str = answer.recv()
    process.join(30)
    return outcome


_LEDGER = (
    "The task fails; its retry finds in the ledger what is confirmed, and looks for claimed events in ODP. A claim is on "
    "disk before its event is sent."
)


@fault("ledger restarted during load", _LEDGER)
def _ledger(cell: Cell) -> None:
    with_ledger_trouble(cell, cell.server.restart)


@fault("ledger crashes during load and recovers", _LEDGER)
def _ledger_crash(cell: Cell) -> None:
    with_ledger_trouble(cell, lambda: cell.server.restart("immediate"))


def with_ledger_trouble(cell: Cell, trouble: Callable[[], None]) -> None:
    """Load while the ledger's server is in trouble."""
    run = cell.prepare(replace(cell.pipeline, batch_size=10, concurrency=2))
    cell.fault(after=2, count=2, delay=0.7, mode="delay")
    with ThreadPoolExecutor(1) as executor:
        loading = executor.submit(attempt, run, "load")
        wait_until(lambda: len(uploads_to(cell.odp)) >= 4)
        trouble()
        cell.first = loading.result()
    cell.repeat(run)
