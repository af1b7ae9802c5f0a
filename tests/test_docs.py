"""
Every command of the documentation is run: here, against the sandbox, or where :data:`ELSEWHERE` says.

A page is found by lying in ``docs/``, a command by its first word. The commands of a page run in their order, in an empty folder.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from odp.core.dag_docs import field_table
from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT, World
from tests.e2e.runs import synchronise_dags

pytestmark = pytest.mark.timeout(300)

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
INDEX = PROJECT / "docs" / "README.md"

# Programs that need not be on the machine that runs the tests.
PROGRAMS = {"airflow", "make", "python", "pip", "docker", "apt-get", "export", "eval", "curl", "kubectl", "helm", "psql", "git"}

# What a reader fills in, and what the tests fill in for it.
PLACEHOLDERS = {"<covered_until>": "2026-11-01T00:00:00Z", "your-bucket": "bucket", "<public>.<secret>": "public.secret"}

ELSEWHERE = {
    r"make (demo|up|test|bench|lint|format|lock|install)\b.*": (
        "`make --dry-run` is run here, what the target starts is run elsewhere",
        {
            "demo": "tests/sandbox/test_world.py",
            "up": "tests/e2e/running/conftest.py",
            "bench": "tests/benchmarks/test_exports.py",
            "test": ".ci/run",
            "lint": ".ci/run",
        },
    ),
    r'eval "\$\(make -s env\)"': ("in a shell of its own", "tests/sandbox/test_world.py"),
    r"docker compose up.*": ("needs Docker; checked against the code without it", "tests/test_compose.py"),
    r"pip install .*": ("changes the environment that runs the tests; make install, with which they begin, does it", "Makefile"),
    r"apt-get install .*": ("changes the machine; CI does it", ".ci/run"),
    r"ODP_WRITE_DOCS=1 pytest (?P<file>tests/\S+)": ("CI runs the same file, without writing", "tests"),
    r"python -m benchmarks\.\w+ .*": ("measures for minutes", "benchmarks"),
}


def words_of(command: str) -> list[str]:
    """Split a command as a shell does, without its comment."""
    return shlex.split(command, comments=True)


def is_command(line: str) -> bool:
    """Tell a command from other code by its first word, which is a program."""
    try:
        words = words_of(line)
    except ValueError:
        return False
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        words.pop(0)
    return bool(words) and (words[0] in PROGRAMS or ("/" not in words[0] and shutil.which(words[0]) is not None))


def commands_in(page: Path) -> list[str]:
    """List the commands of a page: lines of indented code, of code marked as sh, and whole commands in a sentence."""
    text = page.read_text()
    found = []
    for language, body in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M):
        lines = [line for line in body.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]
        if language in ("sh", "bash", "shell", "console"):
            found += lines
        else:
            assert language, f"{page.name}: say which language a block of code is, sh for commands"
    rest = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    found += [line.strip() for line in re.findall(r"^ {4,}(\S.*)$", rest, re.M) if is_command(line)]
    inline = re.findall(r"`([^`\n]+)`", rest)
    found += [code for code in inline if is_command(code) and (len(code.split()) > 3 or re.match(r"make \w|python -m", code))]
    return list(dict.fromkeys(re.sub(r"\s+#.*$", "", command) for command in found))


def test_a_page_has_its_commands_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Run `make demo` or `airflow dags trigger x -c '{}'`, not `airflow`.\n\n    airflow pools list   # all\n    N · x\n\n"
        "```sh\nX=1 python -m this\n```\n\n```sql\nSELECT 1\n```\n"
    )
    assert commands_in(page) == ["X=1 python -m this", "airflow pools list", "make demo", "airflow dags trigger x -c '{}'"]


@pytest.fixture(scope="module")
def dags(airflow_db: World) -> World:
    """Airflow's database with the DAGs in it."""
    synchronise_dags()
    return airflow_db


@pytest.fixture
def nothing_stays(
    dags: World, odp: SandboxOdp, ledger_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Run in an empty folder, with an ODP and a ledger of its own; what a command makes in Airflow's database is removed."""
    from airflow import settings
    from airflow.models import DagModel, DagRun, Pool
    from airflow.models.backfill import Backfill, BackfillDagRun
    from airflow.models.variable import Variable
    from sqlalchemy import delete, select, update

    kept = {model: set(settings.Session().scalars(select(model.id))) for model in (DagRun, Pool, Variable)}
    paused = dict(settings.Session().execute(select(DagModel.dag_id, DagModel.is_paused)).all())
    (tmp_path / "include").mkdir()
    monkeypatch.chdir(tmp_path)
    connection = {"conn_type": "odp", "host": odp.url, "password": odp.key}
    monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW_CONN_ODP_LEDGER", ledger_database)
    monkeypatch.setenv("AIRFLOW_VAR_ODP_SETTINGS", '{"accept_shared_emails": true}')
    yield
    session = settings.Session()
    session.execute(delete(BackfillDagRun))
    for model, ids in kept.items():
        session.execute(delete(model).where(model.id.notin_(ids)))
    session.execute(delete(Backfill))
    for dag_id, was_paused in paused.items():
        session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(is_paused=was_paused))
    session.commit()


def run_airflow(command: str) -> None:
    """Run an ``airflow`` command in this process: starting one anew takes seconds each time."""
    from airflow.cli.cli_parser import get_parser

    from odp.ui.parameter_guard import find_problem

    arguments = get_parser().parse_args(words_of(command)[1:])
    arguments.func(arguments)
    if conf := getattr(arguments, "conf", None):  # which the first task would read
        assert find_problem(arguments.dag_id, json.dumps({"conf": json.loads(conf)}).encode()) is None


def run_python(command: str) -> None:
    """Run a ``python -m`` or ``python -c`` in this process."""
    _, option, what, *arguments = words_of(command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [what, *arguments])
        if option == "-c":
            exec(what, {})  # noqa: S102 - the documentation's own
            return
        code = None
        try:
            runpy.run_module(what, run_name="__main__")
        except SystemExit as end:
            code = end.code
        assert not code, command


def read_connection(command: str) -> None:
    """Export a variable that holds a connection, and let Airflow read it; it leads to nobody's server."""
    from airflow.sdk import BaseHook

    name, _, value = words_of(command)[1].partition("=")
    assert name.startswith("AIRFLOW_CONN_"), command
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        connection = BaseHook.get_connection(name.removeprefix("AIRFLOW_CONN_").lower())
    assert connection.conn_type in ("odp", "postgres")
    assert connection.password


RUNNERS: dict[str, Callable[[str], None]] = {"airflow": run_airflow, "python": run_python, "export": read_connection}


def elsewhere(command: str) -> str | None:
    """Say which file runs a command that is not run here; ``None`` if it is."""
    for pattern, (_, where) in ELSEWHERE.items():
        if match := re.fullmatch(pattern, command):
            if isinstance(where, dict):
                return str(where.get(match.group(1), "Makefile"))
            return match.groupdict().get("file", where)
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_command_is_run(page: Path, nothing_stays: None, capfd: pytest.CaptureFixture[str]) -> None:
    for command in commands_in(page):
        if where := elsewhere(command):
            assert (PROJECT / where).exists(), f"{command}: there is no {where}"
            continue
        runner = RUNNERS.get(words_of(command)[0])
        assert runner, f"{page.name}: no test runs `{command}`. Let tests/test_docs.py run it, or say in ELSEWHERE why not."
        for placeholder, value in PLACEHOLDERS.items():
            command = command.replace(placeholder, value)
        command = re.sub(r'"\$\(cat (\S+)\)"', lambda match: shlex.quote(Path(match[1]).read_text()), command)
        runner(command)


MAKE = sorted({command for page in PAGES for command in commands_in(page) if command.startswith("make ")})


@pytest.mark.parametrize("command", MAKE)
def test_every_target_of_make_exists(command: str) -> None:
    result = subprocess.run([*words_of(command), "--dry-run"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_and_picture_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{page.name}: {target}"
        if anchor and to.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", to.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, target


def field_tables() -> str:
    """Render what docs/mapping.md says of the fields."""
    sections = [
        [f"### {export.title}", "", f"`{export.dag_id}`, from `include/sql/{export.sql}`.", "", *field_table(export.contract), ""]
        for export in EXPORTS
    ]
    return "\n".join(line for section in sections for line in section)


def test_the_mapping_lists_every_field() -> None:
    """Written by ODP_WRITE_DOCS=1 pytest tests/test_docs.py."""
    page = PROJECT / "docs" / "mapping.md"
    head, mark, _ = page.read_text().partition("<!-- the rest is written by tests/test_docs.py -->\n")
    assert mark
    expected = f"{head}{mark}\n{field_tables()}"
    if os.environ.get("ODP_WRITE_DOCS"):
        page.write_text(expected)
    assert page.read_text() == expected, (
        "docs/mapping.md is not what the contracts say: ODP_WRITE_DOCS=1 pytest tests/test_docs.py"
    )


def test_the_reader_of_docs_security_needs_no_more(empty_replica: str, world: World) -> None:
    (block,) = re.findall(r"```sql\n(.+?)```", (PROJECT / "docs" / "security.md").read_text(), re.S)
    with psycopg.connect(empty_replica, autocommit=True) as owner:
        owner.execute(block)
        try:
            owner.execute("SET ROLE odp_reader")
            with owner.transaction(force_rollback=True):
                assert owner.execute("SELECT count(*) FROM dbo.customerorder").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute("DELETE FROM dbo.customerorder")
        finally:
            owner.execute("RESET ROLE; DROP OWNED BY odp_reader; DROP ROLE odp_reader")


def test_the_index_leads_to_every_page_and_no_picture_lies_unused() -> None:
    index = INDEX.read_text()
    assert [page.name for page in PAGES if page.parent == INDEX.parent and page != INDEX and f"]({page.name})" not in index] == []
    shown = "".join(page.read_text() for page in PAGES)
    assert [picture.name for picture in (INDEX.parent / "images").iterdir() if f"images/{picture.name}" not in shown] == []
