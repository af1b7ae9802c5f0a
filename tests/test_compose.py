"""
The container set-up, checked without Docker: names, ports, paths, commands and settings agree with the code and each other.

``resolved`` is the file as Compose reads it when no variable is set.
"""

from __future__ import annotations

import base64
import importlib.util
import inspect
import pkgutil
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from airflow.cli.cli_parser import get_parser
from airflow.configuration import conf
from airflow.models.connection import Connection
from airflow.sdk import BaseOperator

import odp.operators
from odp.hooks.odp import OdpHook
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT

TEXT = (PROJECT / "docker-compose.yaml").read_text()
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
RESOLVED = yaml.safe_load(VARIABLE.sub(r"\2", TEXT).replace("$$", "$"))
SERVICES: dict[str, dict[str, Any]] = RESOLVED["services"]
WORKER = SERVICES["airflow-worker"]
AIRFLOW = sorted(set(SERVICES) - {"postgres", "redis", "sandbox-odp"})
INSTRUCTIONS = [
    line.split(None, 1)
    for line in re.sub(r"\\\n", " ", (PROJECT / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
AIRFLOW_HOME = "/opt/airflow"

# The Celery provider is in the image only; these are the settings of it that the file uses.
CELERY_SETTINGS = {"broker_url", "result_backend", "worker_concurrency"}
CELERY_COMMAND = ["airflow", "celery", "worker"]
PROGRAMS_OF_IMAGES = {"celery", "pg_isready", "redis-cli"}


class TestCommands:
    @pytest.mark.parametrize("service", [name for name in SERVICES if "command" in SERVICES[name]])
    def test_that_a_service_runs_exists(self, service: str) -> None:
        for command in _commands(SERVICES[service]["command"]):
            _check_command(command)

    @pytest.mark.parametrize("service", [name for name in SERVICES if "healthcheck" in SERVICES[name]])
    def test_that_a_health_check_runs_exists(self, service: str) -> None:
        kind, *test = SERVICES[service]["healthcheck"]["test"]
        assert kind == ("CMD-SHELL" if len(shlex.split(test[0])) > 1 else "CMD")
        _check_command(test if kind == "CMD" else shlex.split(test[0]))

    def test_every_service_that_goes_on_has_a_health_check(self) -> None:
        assert [name for name in SERVICES if "healthcheck" not in SERVICES[name]] == ["airflow-init"]

    def test_sandbox_odp_takes_its_arguments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        listened = _sandbox_odp_arguments(monkeypatch)
        assert listened == ("0.0.0.0", 8090)
        # The page is opened from the host, whose address inside the network is not the loopback one.
        assert "--open-controls" in SERVICES["sandbox-odp"]["command"]


class TestSettings:
    @pytest.mark.parametrize("service", AIRFLOW)
    def test_are_options_of_airflow(self, service: str) -> None:
        for name in _environment(service):
            if name.startswith("AIRFLOW__"):
                _, section, key = name.lower().split("__")
                known = CELERY_SETTINGS if section == "celery" else conf.configuration_description[section]["options"]
                assert key in known, name

    def test_are_the_same_everywhere(self) -> None:
        common = RESOLVED["x-airflow-environment"].items()
        assert all(common <= SERVICES[service]["environment"].items() for service in AIRFLOW)

    def test_celery_is_the_executor(self) -> None:
        environment = _environment("airflow-scheduler")
        assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
        assert environment["AIRFLOW__CELERY__RESULT_BACKEND"] == "db+" + environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]

    def test_fernet_key_is_one(self) -> None:
        assert len(base64.urlsafe_b64decode(RESOLVED["x-airflow-environment"]["AIRFLOW__CORE__FERNET_KEY"])) == 32

    def test_secrets_come_from_variables(self) -> None:
        raw = yaml.safe_load(TEXT)["services"]
        names = re.compile(r"PASSWORD$|FERNET_KEY|SECRET")
        secrets = [
            (key, str(value)) for name in raw for key, value in raw[name].get("environment", {}).items() if names.search(key)
        ]
        assert secrets
        assert [key for key, value in secrets if not VARIABLE.fullmatch(value)] == []

    def test_example_lists_every_variable_with_its_default(self) -> None:
        example = re.findall(r"^#([A-Z_]+)=(.*)$", (PROJECT / ".env.example").read_text(), re.M)
        assert sorted(example) == sorted(set(VARIABLE.findall(TEXT)))

    def test_the_admin_of_the_ui_has_a_password(self) -> None:
        environment = _environment("airflow-apiserver")
        assert environment["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == environment["AIRFLOW_ADMIN_USER"] + ":admin"
        assert environment["AIRFLOW_ADMIN_PASSWORD"]


class TestConnections:
    def test_that_operators_use_by_default_are_given(self) -> None:
        ids = {OdpHook.default_conn_name}
        for module in pkgutil.iter_modules(odp.operators.__path__):
            for _, operator in inspect.getmembers(import_module(f"odp.operators.{module.name}"), inspect.isclass):
                if issubclass(operator, BaseOperator):
                    parameters = inspect.signature(operator).parameters.values()
                    ids |= {p.default for p in parameters if p.name.endswith("_conn_id") and isinstance(p.default, str)}
        assert {"commerce_db", "odp_default", "odp_ledger"} <= ids
        assert {f"AIRFLOW_CONN_{name.upper()}" for name in ids} <= set(_environment("airflow-worker"))

    def test_odp_is_the_sandbox_and_its_key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", _environment("airflow-worker")["AIRFLOW_CONN_ODP_DEFAULT"])
        hook = OdpHook()
        assert hook.address == "http://sandbox-odp:8090"
        assert hook.get_connection("odp_default").password == SERVICES["sandbox-odp"]["environment"]["ODP_SANDBOX_KEY"]

    def test_databases_differ_and_leave_the_password_to_the_environment(self) -> None:
        environment = _environment("airflow-worker")
        given = [Connection(uri=environment[f"AIRFLOW_CONN_{name}"]) for name in ("COMMERCE_DB", "ODP_LEDGER")]
        assert [(c.conn_type, c.host, c.login, c.schema) for c in given] == [
            ("postgres", "postgres", "airflow", "commerce"),
            ("postgres", "postgres", "airflow", "odp_ledger"),
        ]
        assert given[0].extra_dejson == {"options": "-c search_path=dbo"}
        assert [c.password for c in given] == [None, None]
        assert environment["PGPASSWORD"] == SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"]
        assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "airflow"


class TestNetwork:
    def test_every_address_is_one_where_a_service_listens(self) -> None:
        listening = {
            ("airflow-apiserver", int(_argument("airflow-apiserver", "--port"))),
            (
                "airflow-scheduler",
                int(_environment("airflow-scheduler")["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"]),
            ),
            ("sandbox-odp", int(_argument("sandbox-odp", "--port"))),
            ("postgres", 5432),
            ("redis", 6379),
        }
        addresses = {address for service in SERVICES for address in _addresses(service)}
        assert {host for host, _ in addresses} >= {"airflow-apiserver", "sandbox-odp", "postgres", "redis"}
        assert addresses <= listening

    def test_ports_are_published_on_this_machine_only(self) -> None:
        published = {name: SERVICES[name]["ports"] for name in SERVICES if "ports" in SERVICES[name]}
        assert published == {"airflow-apiserver": ["127.0.0.1:8080:8080"], "sandbox-odp": ["127.0.0.1:8090:8090"]}
        assert _environment("airflow-apiserver")["AIRFLOW__API__BASE_URL"] == "http://localhost:8080"

    def test_services_wait_for_services_that_can_answer(self) -> None:
        for service in SERVICES.values():
            for name, how in service.get("depends_on", {}).items():
                if how["condition"] == "service_healthy":
                    assert "healthcheck" in SERVICES[name]
                else:
                    assert how["condition"] == "service_completed_successfully"
                    assert SERVICES[name].get("restart", "no") == "no"


class TestWorkers:
    def test_there_can_be_any_number(self) -> None:
        assert not {"container_name", "hostname", "ports"} & set(WORKER)

    def test_share_the_staging_folder(self) -> None:
        # odp.operators.base: without a setting, files are staged in this folder of AIRFLOW_HOME.
        assert f"staging:{AIRFLOW_HOME}/odp_staging" in WORKER["volumes"]
        assert dict(pair.split("=", 1) for pair in shlex.split(_instructions("ENV")[0]))["AIRFLOW_HOME"] == AIRFLOW_HOME

    def test_volumes_are_declared_and_writable_by_the_user_of_the_image(self) -> None:
        made = shlex.split(_instructions("RUN")[0])
        for service in SERVICES.values():
            for volume in service.get("volumes", []):
                name, path = volume.split(":")
                assert name in RESOLVED["volumes"], "a folder of the host would need the right owner there"
                if service["image"].startswith("commerce-odp-exports"):
                    assert path in made


class TestImage:
    def test_copies_what_exists_and_what_dockerignore_lets_through(self) -> None:
        sources = {source for copy in _instructions("COPY") for source in copy.split()[:-1]}
        let_through = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        assert sources == let_through
        assert [source for source in sources if not (PROJECT / source).exists()] == []
        # odp finds include/sql beside plugins.
        assert {"plugins plugins", "include include"} <= set(_instructions("COPY"))

    def test_installs_from_the_lock(self) -> None:
        words = next(shlex.split(run) for run in _instructions("RUN") if run.startswith("pip install -c constraints.txt"))
        requirements = [file for option, file in zip(words, words[1:], strict=False) if option == "-r"]
        assert requirements == ["requirements.txt", "requirements-celery.txt", "requirements-s3.txt"]
        locked = set(re.findall(r"^([\w-]+)(?:\[.*?\])?==", (PROJECT / "constraints.txt").read_text(), re.M))
        extra = set(words[words.index(requirements[-1]) + 1 :])
        wanted = set(re.findall(r"^[\w-]+", (PROJECT / "requirements-dev.txt").read_text(), re.M))
        assert extra <= locked & wanted

    def test_is_on_a_python_that_the_package_supports_and_not_root(self) -> None:
        version = re.match(r"python:3\.(\d+)-slim", _instructions("FROM")[0])
        assert version
        supported = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', (PROJECT / "pyproject.toml").read_text(), re.M)
        assert supported
        assert int(supported[1]) <= int(version[1]) < int(supported[2])
        assert _instructions("USER") == ["airflow"]

    def test_is_built_once(self) -> None:
        built = [name for name in SERVICES if "build" in SERVICES[name]]
        assert built == ["airflow-init"]
        images = {SERVICES[name]["image"] for name in SERVICES if name not in ("postgres", "redis")}
        assert images == {SERVICES["airflow-init"]["image"]}


class TestInit:
    def test_sets_up_the_tables_and_a_replica(self, monkeypatch: pytest.MonkeyPatch) -> None:
        init, ran, made = _script("init"), [], []
        monkeypatch.setattr(init, "create_database", made.append)
        monkeypatch.setattr(init, "is_filled", lambda dsn: False)
        monkeypatch.setattr(init, "mark_filled", lambda dsn: made.append(dsn))
        monkeypatch.setattr(init.subprocess, "run", lambda command, check: ran.append([str(word) for word in command]))
        for name in ("SANDBOX_CUSTOMERS", "SANDBOX_ORDERS"):
            monkeypatch.setenv(name, _environment("airflow-init")[name])
        init.main()
        assert made == ["airflow", "commerce", "dbname=commerce"]
        migrate, ledger, (*python, dsn_option, dsn, _, customers, _, orders) = ran
        assert migrate == ["airflow", "db", "migrate"]
        assert ledger[1:] == ["-m", "odp.create_ledger"]
        assert python == [sys.executable, "-m", "sandbox.commerce"]
        generated = _sandbox_commerce_arguments(monkeypatch, ran[2][3:])
        assert (dsn_option, dsn) == ("--dsn", "dbname=commerce")
        assert (generated["dsn"], generated["customers"], generated["orders"]) == (dsn, int(customers), int(orders))
        monkeypatch.setattr(init, "is_filled", lambda dsn: True)
        init.main()
        assert ran[3:] == [migrate, ledger]

    def test_fills_a_replica_again_only_if_it_was_interrupted(self, database: str) -> None:
        init = _script("init")
        assert not init.is_filled(database)
        with psycopg.connect(database) as connection:
            connection.execute("CREATE SCHEMA dbo")
        assert not init.is_filled(database)
        init.mark_filled(database)
        assert init.is_filled(database)

    def test_creates_a_database_once(self, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
        server = urlsplit(database)
        for name, value in (("PGHOST", server.hostname), ("PGPORT", server.port), ("PGUSER", server.username)):
            monkeypatch.setenv(name, str(value))
        with psycopg.connect(database) as connection:
            connection.execute("CREATE TABLE kept ()")
        _script("init").create_database(server.path[1:])
        with psycopg.connect(database) as connection:
            connection.execute("SELECT FROM kept")


class TestScripts:
    def test_login_is_written_where_the_auth_manager_reads_it(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        file = tmp_path / "passwords.json"
        for name, value in _environment("airflow-apiserver").items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", 'quo"ted')
        monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(file))
        _script("login").main()
        from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

        assert SimpleAuthManager.get_passwords() == {"admin": 'quo"ted'}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    def test_health_is_what_the_server_says(self, odp: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> None:
        healthy = _script("healthy")
        assert healthy.is_healthy(f"{odp.url}/healthz")
        assert not healthy.is_healthy(f"{odp.url}/v3/profiles")
        monkeypatch.setattr(
            healthy.json, "load", lambda answer: {"triggerer": {"status": "unhealthy"}, "metadatabase": {"status": "healthy"}}
        )
        assert healthy.is_healthy(f"{odp.url}/healthz", "metadatabase")
        assert not healthy.is_healthy(f"{odp.url}/healthz", "triggerer")
        odp.stop()
        assert not healthy.is_healthy(f"{odp.url}/healthz")


def test_compose_accepts_the_file() -> None:
    commands = (["docker-compose"], ["docker", "compose"])
    found = next(
        (c for c in commands if shutil.which(c[0]) and not subprocess.run([*c, "version"], capture_output=True).returncode), None
    )
    if found is None:
        pytest.skip("neither docker-compose nor the compose plugin of docker is installed")
    result = subprocess.run([*found, "config", "-q"], cwd=PROJECT, capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def _environment(service: str) -> dict[str, str]:
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def _instructions(word: str) -> list[str]:
    return [rest for first, rest in INSTRUCTIONS if first == word]


def _commands(command: list[str]) -> list[list[str]]:
    """The commands of a service; of those in ``bash -c``, each one."""
    if command[:2] != ["bash", "-c"]:
        return [command]
    return [shlex.split(part.removeprefix("exec ")) for part in command[2].split(" && ")]


def _check_command(command: list[str]) -> None:
    program, *arguments = command
    if program == "airflow":
        if command != CELERY_COMMAND:
            get_parser().parse_args(arguments)
    elif program == "python" and arguments[0] == "-m":
        assert importlib.util.find_spec(f"{arguments[1]}.__main__")
    elif program == "python":
        assert (PROJECT / arguments[0]).is_file()
        assert "docker docker" in _instructions("COPY")
    else:
        assert program in PROGRAMS_OF_IMAGES


def _argument(service: str, option: str) -> str:
    words = [word for command in _commands(SERVICES[service]["command"]) for word in command]
    return words[words.index(option) + 1]


def _addresses(service: str) -> Iterator[tuple[str, int]]:
    texts = [*_environment(service).values(), *SERVICES[service].get("healthcheck", {}).get("test", [])]
    for address in re.findall(r"\w+://\S+", " ".join(texts)):
        parts = urlsplit(address)
        if parts.hostname == "localhost" and address == _environment(service).get("AIRFLOW__API__BASE_URL"):
            continue  # where the browser finds it, on the host
        assert parts.hostname, address
        assert parts.port, address
        yield service if parts.hostname == "localhost" else parts.hostname, parts.port


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docker_{name}", PROJECT / "docker" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _StopError(Exception):
    pass


def _sandbox_odp_arguments(monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    from sandbox.odp import __main__ as command

    def listen(host: str, port: int) -> None:
        raise _StopError(host, port)

    monkeypatch.setattr(command, "listen", listen)
    monkeypatch.setenv(command.KEY_VARIABLE, SERVICES["sandbox-odp"]["environment"][command.KEY_VARIABLE])
    with pytest.raises(_StopError) as stopped:
        command.main(SERVICES["sandbox-odp"]["command"][3:])
    return stopped.value.args  # type: ignore[return-value]


def _sandbox_commerce_arguments(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> dict[str, Any]:
    from sandbox.commerce import __main__ as command

    given: dict[str, Any] = {}
    monkeypatch.setattr(command, "generate", lambda **options: given.update(options) or {})
    command.main(arguments)
    return given
