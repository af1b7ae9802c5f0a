"""The rules of the code's layout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.world import PROJECT

PLUGINS = PROJECT / "plugins"
LONGEST_MODULE = 330
MODULES = sorted(path for path in (PLUGINS / "odp").rglob("*.py"))


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
    assert "core never imports Airflow KEPT" in result.stdout


_SCRIPT = """
import importlib, pkgutil, sys
import odp.core
names = [module.name for module in pkgutil.walk_packages(odp.core.__path__, "odp.core.")]
for name in names:
    importlib.import_module(name)
print(len(names), sorted({"airflow", "sandbox", "requests"} & {name.partition(".")[0] for name in sys.modules}))
"""


def test_the_core_works_without_airflow() -> None:
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PLUGINS), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    number, _, imported = result.stdout.strip().partition(" ")
    assert int(number) == len(list((PLUGINS / "odp" / "core").glob("[!_]*.py")))
    assert imported == "[]"


def test_there_are_modules_to_check() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_a_module_is_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_MODULE, f"{lines} lines: split it by what it does"


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    # The plugin scan would put it in the place of the real one if .airflowignore were lost.
    names = {path.stem for path in PLUGINS.rglob("*.py")} - {"__init__", "__main__"}
    assert not names & set(sys.stdlib_module_names)
    assert not names & {"utils", "common", "helpers", "misc"}
