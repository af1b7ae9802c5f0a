"""The hook: from an Airflow connection to an address, options and a client that works."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.models.connection import Connection

from odp.core.exceptions import OdpExportError, SettingsError
from odp.hooks.odp import OdpHook, region_of_key
from sandbox.odp.server import SandboxOdp

US, EU, AU = (f"https://api.{region}.odp.optimizely.com" for region in ("us1", "eu1", "au1"))
Connect = Callable[..., OdpHook]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return a function that makes a connection, as URI or as JSON, and gives back its hook."""

    def make(uri: str = "", **fields: Any) -> OdpHook:
        monkeypatch.setenv("AIRFLOW_CONN_ODP_TEST", uri or json.dumps({"conn_type": "odp", "password": "pub.secret", **fields}))
        return OdpHook("odp_test")

    return make


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("odp://:pub.secret@", US),
        ("odp://:pub-eu1.secret@", EU),
        ("odp://:pub-au1.secret@", AU),
        ("odp://:pub.secret@us1", US),
        ("odp://:pub.secret@eu1", EU),
        ("odp://:pub.secret@EU1", EU),
        ("odp://:pub-eu1.secret@au1", AU),
        ("odp://:pub.secret@127.0.0.1:8090", "http://127.0.0.1:8090"),
        ("odp://:pub.secret@localhost:8090", "http://localhost:8090"),
        ("odp://:pub.secret@[::1]:8090", "http://[::1]:8090"),
        ("odp://:pub.secret@localhost:8090/https", "https://localhost:8090"),
        ("odp://:pub.secret@proxy.example.com", "https://proxy.example.com"),
        ("odp://:pub.secret@proxy.example.com:8443/https", "https://proxy.example.com:8443"),
        ("odp://:pub.secret@https%3A%2F%2Fproxy.example.com%3A8443", "https://proxy.example.com:8443"),
        ("odp://:pub.secret@proxy.example.com:8080/http?allow_http=true", "http://proxy.example.com:8080"),
    ],
)
def test_address_of_a_uri_connection(connect: Connect, uri: str, address: str) -> None:
    assert connect(uri).address == address


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({}, US),
        ({"host": ""}, US),
        ({"password": "pub-eu1.secret"}, EU),
        ({"password": "pub-au1"}, AU),
        ({"password": " pub-au1.secret\n"}, AU),
        ({"host": "au1", "password": "pub-eu1.secret"}, AU),
        ({"host": "http://127.0.0.1:8090"}, "http://127.0.0.1:8090"),
        ({"host": "http://127.0.0.1", "port": 8090}, "http://127.0.0.1:8090"),
        ({"host": "http://127.0.0.1:8090", "port": 9999}, "http://127.0.0.1:8090"),
        ({"host": "::1", "port": 8090}, "http://[::1]:8090"),
        ({"host": "http://[::1]:8090"}, "http://[::1]:8090"),
        ({"host": f"{EU}/v3/"}, EU),
        ({"host": "https://proxy.example.com/odp/v3"}, "https://proxy.example.com/odp"),
        ({"host": "proxy.example.com", "schema": "https", "port": 8443}, "https://proxy.example.com:8443"),
        ({"host": "http://proxy.example.com", "extra": {"allow_http": True}}, "http://proxy.example.com"),
        ({"host": "http://proxy.example.com", "extra": {"allow_http": "True"}}, "http://proxy.example.com"),
    ],
)
def test_address_of_a_json_connection(connect: Connect, fields: dict[str, Any], address: str) -> None:
    assert connect(**fields).address == address


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "http://proxy.example.com"},
        {"host": "HTTP://proxy.example.com"},
        {"host": "proxy.example.com", "schema": "http"},
        {"host": "http://127.0.0.1.example.com"},
        {"host": "http://proxy.example.com", "extra": {"allow_http": False}},
        {"host": "http://proxy.example.com", "extra": {"allow_http": "no"}},
    ],
)
def test_plain_http_to_another_machine_is_refused(connect: Connect, fields: dict[str, Any]) -> None:
    hook = connect(**fields)
    with pytest.raises(SettingsError, match=r"odp_test: .* is plain http, .*allow_http") as error:
        hook.get_client()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("host", ["ftp://proxy.example.com", "https://proxy.example.com:port", "my proxy", "https://proxy:99999"])
def test_a_host_that_is_no_address_is_refused(connect: Connect, host: str) -> None:
    with pytest.raises(SettingsError, match=r"odp_test: host '.*' is no address\. Write a region \(us1, eu1, au1\)"):
        _ = connect(host=host).address


@pytest.mark.parametrize(
    ("key", "region"),
    [("pub.secret", "us1"), ("pub", "us1"), ("pub-eu1.secret", "eu1"), ("pub-au1", "au1"), ("-eu1x.secret", "us1"), ("", "us1")],
)
def test_region_of_key(key: str, region: str) -> None:
    assert region_of_key(key) == region


def test_options_default(connect: Connect) -> None:
    options = connect().options
    assert (options.batch_size, options.concurrency, options.timeout, options.retry_budget) == (500, 32, 30.0, 300.0)
    assert options.requests_per_second == {"profiles": 10.0, "objects": 0.0, "events": 0.0}


def test_options_from_the_extra(connect: Connect) -> None:
    # Airflow's form sends numbers, a URI's query sends texts, and an emptied field is null or ''.
    extra = {
        "batch_size": "50",
        "concurrency": 2,
        "timeout": 1.5,
        "retry_budget": None,
        "profiles_per_second": "",
        "events_per_second": 4,
    }
    options = connect(extra=extra).options
    assert (options.batch_size, options.concurrency, options.timeout, options.retry_budget) == (50, 2, 1.5, 300.0)
    assert options.requests_per_second == {"profiles": 10.0, "objects": 0.0, "events": 4.0}
    assert isinstance(options.batch_size, int)


@pytest.mark.parametrize(
    ("name", "value", "limits"),
    [
        ("batch_size", 0, "1 to 500"),
        ("batch_size", 501, "1 to 500"),
        ("batch_size", "many", "1 to 500"),
        ("batch_size", [50], "1 to 500"),
        ("concurrency", 0, "1 to 64"),
        ("timeout", 0, "0.1 to 3600"),
        ("timeout", "nan", "0.1 to 3600"),
        ("retry_budget", -1, "0 to 86400"),
        ("profiles_per_second", -1, "0 to 100000"),
    ],
)
def test_an_option_out_of_range_is_refused_in_a_sentence(connect: Connect, name: str, value: Any, limits: str) -> None:
    hook = connect(extra={name: value})
    with pytest.raises(SettingsError) as error:
        hook.get_client()
    assert str(error.value) == f"Connection odp_test: {name} in its extra must be a number from {limits}, not {value!r}."


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_a_missing_key_is_named(connect: Connect, key: str | None) -> None:
    hook = connect(password=key)
    with pytest.raises(SettingsError, match="odp_test has no API key. Put the private key from ODP"):
        hook.get_client()
    assert hook.test_connection() == (False, str(_error_of(hook)))


def _error_of(hook: OdpHook) -> OdpExportError:
    try:
        hook.get_client()
    except OdpExportError as error:
        return error
    raise AssertionError("a client was made")


@pytest.mark.parametrize("key", ["pub.sec\nret-part", "pub.sec ret-part", "pub.sec’ret-part"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_quoted(connect: Connect, odp: SandboxOdp, key: str) -> None:
    works, message = connect(host=odp.url, password=key).test_connection()
    assert not works
    assert "the API key holds characters that no key has" in message
    assert "ret-part" not in message


@pytest.mark.parametrize("around", ["{}", " {}\n"])
def test_test_connection_with_the_private_key(connect: Connect, odp: SandboxOdp, around: str) -> None:
    works, message = connect(host=odp.url, password=around.format(odp.key)).test_connection()
    assert works
    assert message == (
        f"{odp.url} answers for this key; it is none of ODP's own addresses, so the region cannot be told. A private key. The "
        "key may use schema, GraphQL, profiles, objects, events. Limits and quotas of its usage plan cannot be seen from outside."
    )
    assert odp.counts()["profiles"] == 0


@pytest.mark.parametrize("key", ["{public}", "{public}.not-the-secret", "nobody.nothing"])
def test_test_connection_with_another_key(connect: Connect, odp: SandboxOdp, key: str) -> None:
    key = key.format(public=odp.public_key)
    works, message = connect(host=odp.url, password=key).test_connection()
    assert not works
    assert "refuse" in message
    assert "private key" in message
    assert key.rpartition(".")[2] not in message


def test_test_connection_does_not_wait_for_a_server_that_is_down(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        started = time.monotonic()
        works, message = connect(host=address).test_connection()
    assert not works
    assert address in message
    assert time.monotonic() - started < 5


def test_test_connection_with_another_server(connect: Connect, odp: SandboxOdp) -> None:
    odp.faults(count=9, status=302, body="elsewhere")
    works, message = connect(host=odp.url, password=odp.key).test_connection()
    assert not works
    assert message.startswith(f"{odp.url} does not seem to be ODP's API: schema answers 302")


def test_test_connection_with_a_plan_that_lacks_an_api(connect: Connect, odp: SandboxOdp) -> None:
    odp.faults(path="/v3/profiles", status=403, body={"message": "Forbidden"})
    works, message = connect(host=odp.url, password=odp.key).test_connection()
    assert not works
    assert message.startswith("The profiles API refuses the key. Give the key a usage plan with the profiles API.")


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({"password": "pub-eu1.secret"}, (True, "eu1", "eu1")),
        ({"password": "pub-eu1.secret", "host": "us1"}, (True, "eu1", "us1")),
        ({"password": "pub", "host": "https://proxy.example.com"}, (False, "us1", None)),
    ],
)
def test_what_a_preflight_learns_of_the_account(connect: Connect, fields: dict[str, Any], facts: tuple[Any, ...]) -> None:
    account = connect(**fields, extra={"timeout": 4}).get_account_to_check(retry_budget=7)
    assert (account.is_private, account.key_region, account.region) == facts
    assert (account.client.options.retry_budget, account.client.options.timeout) == (7, 4)


def test_the_test_button_of_airflow_reaches_the_hook(connect: Connect, odp: SandboxOdp) -> None:
    # Airflow's route for the button puts the form's values into the environment and asks the connection.
    for key, works in ((odp.key, True), (odp.public_key, False)):
        connect(host=odp.url, password=key)
        form = Connection(conn_id="odp_test", conn_type="odp", host=odp.url, password=key)
        assert form.test_connection()[0] is works


def test_the_key_is_in_no_log_and_no_representation(
    connect: Connect, odp: SandboxOdp, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = odp.key.rpartition(".")[2]
    hook = connect(host=odp.url, password=odp.key, extra={"retry_budget": 5})
    odp.faults(path="/v3/schema", status=503, count=2, retry_after=0)
    odp.faults(path="/v3/schema", mode="drop", after=2)
    with caplog.at_level(logging.DEBUG):
        client = hook.get_client()
        assert client.request("GET", "/schema/objects").status == 200
        client.request("GET", "/schema/objects")
    assert "503" in caplog.text
    seen = [caplog.text, *capfd.readouterr(), repr(client), str(client.__dict__["options"]), repr(hook), repr(hook.options)]
    assert not [text for text in seen if secret in text]
