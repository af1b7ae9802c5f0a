"""
``make demo``: the six exports through real Airflow, from a generated Commerce replica to the sandbox ODP, and the proof.

The world is made anew each time in ``.sandbox/demo``, or in the folder that is named. Exits with 1 when any count disagrees.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from odp.core.exports import EXPORTS, Export
from sandbox.world import PROJECT, Sizes, World

FOLDER = PROJECT / ".sandbox" / "demo"
_SOURCE_TABLES = {
    "product_odp_export": "Product",
    "warehouse_odp_export": "Warehouse",
    "order_odp_export": "CustomerOrder",
    "customer_odp_export": "Customer",
    "user_profile_odp_export": "UserProfile",
    "customer_to_user_mapping_odp_export": "CustomerUserProfile",
}


@dataclass(frozen=True)
class Result:
    """
    One export of the demo.

    :param export: what was exported.
    :param summary: what its reconcile task returned; empty if the run failed.
    :param source_rows: rows of its table in the replica.
    :param in_odp: what the sandbox ODP holds of it.
    :param seconds: how long the run took.
    """

    export: Export
    summary: dict[str, Any]
    source_rows: int
    in_odp: int
    seconds: float

    def problems(self) -> list[str]:
        """Say which counts disagree."""
        if not self.summary:
            return ["the run failed"]
        found = []
        if self.summary["extracted"] != self.source_rows:
            found.append(f"the replica has {self.source_rows} rows, {self.summary['extracted']} were extracted")
        if self.summary["delivered"] != self.in_odp:
            found.append(f"{self.summary['delivered']} were delivered, ODP holds {self.in_odp}")
        return found


def main(folder: Path = FOLDER) -> int:
    """
    Run the demo; return the exit code.

    :param folder: where its world lives; what an earlier demo left there is removed.
    """
    console = Console(width=150)
    if folder.exists() and any(folder.iterdir()) and not (folder / "ports.json").exists():
        console.print(f"{folder} is no folder of a demo, which would be removed. Name a new one.")
        return 2
    shutil.rmtree(folder, ignore_errors=True)
    with World(folder) as world:
        console.print("Filling a Commerce replica ...")
        world.fill_replica(Sizes())
        console.print("Creating Airflow's metadata database ...")
        world.migrate()
        os.environ.update(world.airflow_environment())
        log = folder / "airflow.log"
        console.print(f"Running the six exports through Airflow (log: {log}) ...")
        with _output_to(log):
            results = [_run(world, export) for export in EXPORTS]
    console.print(_table(results))
    problems = [f"{result.export.dag_id}: {problem}" for result in results for problem in result.problems()]
    for problem in problems:
        console.print(f"[red]{problem}")
    if not problems:
        console.print("Every row is accounted for, and ODP holds what was delivered.")
    return 1 if problems else 0


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send everything this process prints to a file: Airflow's task logs would bury the result."""
    sys.stdout.flush()
    saved = [(descriptor, os.dup(descriptor)) for descriptor in (1, 2)]
    with log.open("ab") as file:
        for descriptor, _ in saved:
            os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        sys.stdout.flush()
        for descriptor, copy in saved:
            os.dup2(copy, descriptor)
            os.close(copy)


def _run(world: World, export: Export) -> Result:
    started = time.monotonic()
    summary = run_export(export.dag_id)
    seconds = time.monotonic() - started
    with psycopg.connect(world.dsn("commerce")) as connection:
        row = connection.execute(f"SELECT count(*) FROM dbo.{_SOURCE_TABLES[export.dag_id]}").fetchone()
    return Result(export, summary, row[0] if row else 0, _held(world.odp_counts(), export), seconds)


def run_export(dag_id: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    """
    Run an export once in this process, by Airflow's own ``dag.test()``.

    :param dag_id: the export's DAG.
    :param conf: its parameters.
    :return: what its reconcile task returned; empty if the run failed.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    run = bag.dags[dag_id].test(run_conf=conf or {})
    reconcile = run.get_task_instance("reconcile")
    return dict((reconcile and reconcile.xcom_pull("reconcile")) or {}) if run.state == "success" else {}


def _held(counts: dict[str, Any], export: Export) -> int:
    if export.family == "profiles":
        return int(counts["profiles"])
    if export.family == "events":  # each order has one purchase event; cancelled ones have a cancel event after it
        return int(counts["events"].get("order/purchase", 0))
    return int(counts["objects"].get(export.contract.object_name, 0))


def _table(results: list[Result]) -> Table:
    columns = ("Extracted", "Delivered", "Unchanged", "Skipped", "Rejected", "Uncertain")
    table = Table("Export", "Window", *columns, "Seconds", "In ODP")
    for result in results:
        summary = result.summary
        counts = [str(summary.get(name.lower(), "-")) for name in columns]
        window = " … ".join(summary.get("window", ["-"])).replace("-infinity … infinity", "everything")
        table.add_row(result.export.title, window, *counts, f"{result.seconds:.1f}", str(result.in_odp))
    return table


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
