"""Starting and stopping, in a thread and from the command line; the state file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.odp.__main__ import KEY_VARIABLE
from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import WAREHOUSES, Client

ROOT = Path(__file__).parents[3]
KEY = "pub.sec"


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "sandbox.odp", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ODP sandbox: http://127.0.0.1:"), process.communicate()
            yield process, line.split()[-1]
        finally:
            process.kill()


class TestCommandLine:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_until_told_to_stop(self, number: signal.Signals) -> None:
        with started("--key", KEY) as (process, url):
            with Client(url, KEY) as api:
                api.accept("/objects/products", {"product_id": "1"})
                # The connection stays open: it must not keep the process alive.
                process.send_signal(number)
                output, errors = process.communicate(timeout=10)
            assert (process.returncode, output, errors) == (0, "", "")

    def test_state_survives_even_a_kill(self, tmp_path: Path) -> None:
        state = str(tmp_path / "odp.sqlite")
        profile = {"attributes": {"email": "ana@example.com", "city": "Leeds"}}
        with started("--state", state, **{KEY_VARIABLE: KEY}) as (process, url), Client(url, KEY) as api:
            api.create("objects", WAREHOUSES)
            api.accept("/objects/warehouses", {"warehouse_id": "1", "capacity": 5})
            api.accept("/profiles", profile)
            api.accept(
                "/events",
                [
                    {
                        "type": "order",
                        "action": "cancel",
                        "identifiers": {"vuid": "a"},
                        "data": {"order": {"order_id": "1", "total": 5}},
                    }
                ],
            )
            process.kill()
            process.wait()
        with SandboxOdp(key=KEY, state=state) as server, Client(server.url, KEY) as api:
            assert server.dump("objects/warehouses") == [{"warehouse_id": "1", "capacity": 5}]
            assert server.dump("profiles") == [profile]
            assert server.counts()["events"] == {"order/cancel": 1}
            assert api.get("/profiles", params={"email": "ana@example.com"}).status_code == 202
            api.accept(
                "/events",
                [
                    {
                        "type": "order",
                        "action": "purchase",
                        "identifiers": {"vuid": "a"},
                        "data": {"order": {"order_id": "1", "total": 5}},
                    }
                ],
            )
            assert server.dump("objects/orders") == [{"order_id": "1", "total": 0, "status": "purchase"}]

    @pytest.mark.parametrize("arguments", [[], ["--key", ""], ["--key", KEY, "--profiles-per-second", "-1"]])
    def test_wrong_arguments(self, arguments: list[str]) -> None:
        environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
        command = [sys.executable, "-m", "sandbox.odp", "--port", "0", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2
        assert "error:" in done.stderr

    def test_taken_port(self, running: SandboxOdp) -> None:
        command = [sys.executable, "-m", "sandbox.odp", "--port", str(running.port), "--key", KEY]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 2
        assert f"cannot listen on 127.0.0.1:{running.port}" in done.stderr


class TestInThread:
    def test_frees_its_port(self) -> None:
        with SandboxOdp() as first:
            port = first.port
            assert httpx.get(f"{first.url}/healthz", trust_env=False).status_code == 200
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
        with SandboxOdp(port=port) as second:
            assert second.port == port
            assert second.key != first.key

    def test_key_without_dot_has_no_public_part(self) -> None:
        with SandboxOdp(key="plain") as server, Client(server.url, "plain") as api:
            assert server.public_key == ""
            assert api.get("/schema/objects").status_code == 200
            assert api.send_items("/objects/products", {"product_id": "1"}, key="").status_code == 403

    def test_default_rate_limit(self) -> None:
        with SandboxOdp() as server:
            assert server.settings()["profiles_per_second"] == 10

    def test_parallel_clients_lose_nothing(self, server: SandboxOdp) -> None:
        def send(worker: int) -> None:
            with Client(server.url, server.key) as api:
                for batch in range(5):
                    api.accept("/objects/products", [rows(worker, batch, number) for number in range(100)])
                    api.accept("/events", [{"type": "pageview", "identifiers": {"vuid": f"{worker}"}}] * 20)
                    api.accept("/profiles", [{"attributes": {"email": f"{number}@example.com"}} for number in range(50)])

        def rows(worker: int, batch: int, number: int) -> dict[str, Any]:
            return {"product_id": f"{worker}-{batch}-{number}", "price": number}

        threads = [threading.Thread(target=send, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = server.counts()
        assert counts["objects"]["products"] == 6 * 5 * 100
        assert counts["events"] == {"pageview": 6 * 5 * 20}
        assert counts["profiles"] == 50
        assert counts["requests"] == {"202": 6 * 5 * 3}
