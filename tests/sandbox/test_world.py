"""The local world: its ports, its shell environment, and the demo."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from odp.core.exports import EXPORTS, PRODUCTS
from sandbox.demo import Result, main
from sandbox.world import PROJECT, WELL_KNOWN_PORTS, World

MAKE_FILES = ("Makefile", "pyproject.toml", "constraints.txt", "requirements.txt", "requirements-dev.txt")


def test_worlds_that_are_made_together_take_different_ports(tmp_path: Path) -> None:
    first, second = World(tmp_path / "first"), World(tmp_path / "second")
    chosen = [*first.ports.values(), *second.ports.values()]
    assert len(set(chosen)) == 2 * len(WELL_KNOWN_PORTS)
    assert set(first.ports) == set(WELL_KNOWN_PORTS)


def test_a_world_keeps_its_ports(tmp_path: Path) -> None:
    assert World(tmp_path).ports == World(tmp_path, WELL_KNOWN_PORTS).ports


def test_a_preferred_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        world = World(tmp_path, {**dict.fromkeys(WELL_KNOWN_PORTS, 0), "postgres": port})
        assert world.ports["postgres"] != port
    free = World(tmp_path / "other", {**dict.fromkeys(WELL_KNOWN_PORTS, 0), "postgres": port})
    assert free.ports["postgres"] == port


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what ``make env`` needs, at a path that a shell has to have quoted, with this checkout's environment."""
    folder = tmp_path / "a user's $HOME"
    folder.mkdir()
    for name in MAKE_FILES:
        shutil.copy2(PROJECT / name, folder)
    shutil.copytree(PROJECT / "sandbox", folder / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    return folder


@pytest.mark.parametrize(
    "command",
    [
        [".venv/bin/python", "-m", "sandbox.env"],
        # The environment is there, whatever the times of its files: nothing is to be installed.
        ["make", "--silent", "--old-file=install", "env"],
    ],
    ids=["module", "make"],
)
def test_the_environment_can_be_evaluated_by_a_shell(checkout: Path, command: list[str]) -> None:
    show = 'python -c "import json, os; print(json.dumps(dict(os.environ)))"'
    script = f'eval "$({shlex.join(command)})" && {show} && command -v airflow'
    environment = {"PATH": os.defpath, "PYTHONPATH": str(PROJECT / "plugins")}
    result = subprocess.run(["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    variables, airflow = result.stdout.splitlines()
    seen: dict[str, str] = json.loads(variables)
    world = World(checkout / ".sandbox" / "up")
    expected = world.airflow_environment() | {
        "AIRFLOW__CORE__DAGS_FOLDER": str(checkout / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(checkout / "plugins"),
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert airflow == str(checkout / ".venv" / "bin" / "airflow")


def result_of(source_rows: int = 10, in_odp: int = 9, **summary: int) -> Result:
    counts: dict[str, Any] = {"extracted": 10, "delivered": 9, "skipped": 1, **summary}
    return Result(PRODUCTS, counts, source_rows=source_rows, in_odp=in_odp, seconds=1.0)


def test_the_demo_is_content_when_the_counts_agree() -> None:
    assert result_of().problems() == []


@pytest.mark.parametrize(
    ("result", "problems"),
    [
        (result_of(source_rows=11), ["the replica has 11 rows, 10 were extracted"]),
        (result_of(extracted=8), ["the replica has 10 rows, 8 were extracted"]),
        (result_of(in_odp=8), ["9 were delivered, ODP holds 8"]),
        (result_of(delivered=10), ["10 were delivered, ODP holds 9"]),
        (result_of(source_rows=0, in_odp=0), ["the replica has 0 rows, 10 were extracted", "9 were delivered, ODP holds 0"]),
        (Result(PRODUCTS, {}, source_rows=10, in_odp=9, seconds=1.0), ["the run failed"]),
    ],
)
def test_the_demo_notices_counts_that_disagree(result: Result, problems: list[str]) -> None:
    assert result.problems() == problems


def test_the_demo_removes_no_folder_that_is_not_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert main(tmp_path) == 2
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert "is no folder of a demo" in capsys.readouterr().out


@pytest.mark.scheduler
def test_the_demo_runs_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    command = [sys.executable, "-m", "sandbox.demo", str(folder)]
    result = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    for export in EXPORTS:
        assert f"│ {export.title}" in result.stdout
    assert "Every row is accounted for, and ODP holds what was delivered." in result.stdout
    assert processes_in(folder) == []


def processes_in(folder: Path) -> list[str]:
    """List the processes that were told of a folder, by their arguments or their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            told = [*process.cmdline(), *process.environ().values()]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in told):
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
