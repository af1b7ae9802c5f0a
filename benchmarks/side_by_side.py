"""The project beside other tools: the same rows, the same sink, each measured as one command from its start to its end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.measure import measure
from benchmarks.peers import profiles
from benchmarks.replicas import SCHEMA
from benchmarks.stages import CountError, check_counts, measure_end_to_end
from benchmarks.workloads import PROFILES
from benchmarks.world import KEY, BenchmarkWorld
from odp.core.exports import USER_PROFILES
from odp.core.extract import Selection
from odp.core.settings import Settings
from odp.core.window import Window
from odp.sql_files import SQL_DIR
from sandbox.world import PROJECT

_REQUIREMENTS = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Peer:
    """
    A tool that the project is compared with.

    :param name: its name in tables.
    :param module: the module under ``benchmarks.peers`` that runs the export with it.
    :param requirements: which ``requirements-*.txt`` its virtual environment is made of; none for the project's own.
    """

    name: str
    module: str
    requirements: str | None = None


AIRFLOW_IDIOM = Peer(name="Airflow idiom", module="airflow_idiom", requirements="airflow")
DLT = Peer(name="dlt", module="dlt_pipeline", requirements="dlt")
SINGER = Peer(name="Singer pair", module="singer_pair", requirements="singer")
LIMIT = Peer(name="limit", module="limit")
PEERS = (AIRFLOW_IDIOM, DLT, SINGER)


def measure_side_by_side(world: BenchmarkWorld, rows: int, *, processes: int) -> list[dict[str, Any]]:
    """
    Measure the project, each peer with as many rows, and the limit.

    :param world: a running world.
    :param rows: number of profiles.
    :param processes: how many of the project's tasks run at a time.
    :return: the project first, the limit last.
    :raises CountError: if not every row arrived at each, or their items differ.
    """
    pythons = [_python(world, peer) for peer in (*PEERS, LIMIT)]
    ours = {"name": "the project", **measure_end_to_end(world, PROFILES, rows, processes=processes)}
    measured = [ours, *(_measure(world, peer, rows, python) for peer, python in zip((*PEERS, LIMIT), pythons, strict=True))]
    if len({one["sink"]["content"] for one in measured}) > 1:
        raise CountError(f"Not all tools sent the same {rows} items")
    return measured


def _measure(world: BenchmarkWorld, peer: Peer, rows: int, python: Path) -> dict[str, Any]:
    replica = world.replicas.replica(PROFILES, rows)
    create_view(world.dsn(replica))
    world.reset_sink()
    environment = {
        "BENCHMARK_DSN": world.dsn(replica),
        "BENCHMARK_URL": world.odp_url,
        "BENCHMARK_KEY": KEY,
        "BENCHMARK_ROWS": str(rows),
        "AIRFLOW_HOME": str(world.airflow_home),
    }
    folder = Path(tempfile.mkdtemp(dir=world.folder))
    log = world.logs / f"{peer.module}-{rows}.log"
    try:
        command = [str(python), "-m", f"benchmarks.peers.{peer.module}", str(folder)]
        measured = measure(command, environment, log=log)
    finally:
        shutil.rmtree(folder)
    sink = world.sink_counts()
    check_counts(f"{peer.name}, {rows} rows", rows, sink)
    inner = json.loads(measured.output) if peer is LIMIT else {}
    return {
        "name": peer.name,
        "rows": rows,
        **inner,
        "wall_seconds": measured.wall_seconds,
        "cpu_seconds": measured.cpu_seconds,
        "tree_peak_mb": measured.peak_mb,
        "sink": sink,
    }


def _python(world: BenchmarkWorld, peer: Peer) -> Path:
    """Return the Python of a peer's virtual environment, made when missing or when its requirements have changed."""
    if peer.requirements is None:
        return Path(sys.executable)
    requirements = _REQUIREMENTS / f"requirements-{peer.requirements}.txt"
    wanted = requirements.read_text() + (PROJECT / "constraints.txt").read_text() + sys.version
    folder = world.folder / "venvs" / peer.requirements
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if not installed.exists() or installed.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "-qqq"]
        subprocess.run([*pip, "-r", str(requirements)], check=True)
        # What pip leaves uncompiled would be compiled inside the timed part.
        subprocess.run([str(python), "-m", "compileall", "-q", str(folder / "lib")], check=False, stdout=subprocess.DEVNULL)
        installed.write_text(wanted)
    return python


def create_view(dsn: str) -> None:
    """
    Create the view that the peers read: the project's mapping query over all rows, with ids as text.

    :param dsn: connection string of the replica.
    """
    parameters = Selection(window=Window(), as_of=datetime.now(timezone.utc)).parameters(Settings())
    mapping = Path(SQL_DIR, USER_PROFILES.sql).read_text(encoding="utf-8").strip().rstrip(";")
    columns = ", ".join(f"{name}::text" if name.endswith("_id") else name for name in profiles.COLUMNS)
    with psycopg.connect(dsn, options=f"-c search_path={SCHEMA}") as connection:
        query = psycopg.ClientCursor(connection).mogrify(mapping, parameters)
        schema, view = sql.Identifier(profiles.SCHEMA), sql.Identifier(profiles.SCHEMA, profiles.VIEW)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
        head = sql.SQL("CREATE VIEW {} AS SELECT ").format(view).as_string(connection)
        connection.execute(f"{head} {columns} FROM (\n{query}\n) AS record".encode())
