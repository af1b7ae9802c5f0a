"""The ODP account as a preflight sees it: address, key, region, and which APIs the key may use; nothing is written."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from odp.core.client import ClientOptions, OdpClient
from odp.core.exports import CUSTOMER_USER_PROFILES, CUSTOMERS, ORDERS, PRODUCTS, USER_PROFILES, WAREHOUSES
from odp.core.preflight_account import PROBES, Account, check_account, summarise
from odp.core.preflight_report import ALL_EXPORTS, Finding
from sandbox.odp.server import SandboxOdp

OBJECTS = {export.dag_id for export in (WAREHOUSES, PRODUCTS, CUSTOMERS, CUSTOMER_USER_PROFILES, ORDERS)}


def account(odp: SandboxOdp, key: str | None = None, **facts: Any) -> Account:
    key = key or odp.key
    return account_at(odp.url, key, **facts)


def account_at(address: str, key: str = "pub.secret", **facts: Any) -> Account:
    client = OdpClient(address, key, ClientOptions(retry_budget=0, timeout=5))
    return Account(**{"client": client, "is_private": "." in key, "key_region": "us1", "region": None, **facts})


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    found = {finding.subject: finding for finding in findings}
    assert len(found) == len(findings)
    return found


@pytest.mark.parametrize("accept_empty", [False, True])
def test_a_private_key_is_well_and_nothing_is_written(odp: SandboxOdp, accept_empty: bool) -> None:
    odp.settings(accept_empty=accept_empty)
    before = {name: count for name, count in odp.counts().items() if name != "requests"}
    findings = by_subject(check_account(account(odp), create_schema=True))
    assert {subject: finding.verdict for subject, finding in findings.items()} == {"region": "ok", "key": "ok", "APIs": "ok"}
    assert findings["APIs"].cause.startswith("The key may use schema, GraphQL, profiles, objects, events.")
    assert "cannot be seen from outside" in findings["APIs"].cause
    assert [(request["method"], request["path"]) for request in odp.requests()] == [(p.method, f"/v3{p.path}") for p in PROBES]
    assert {name: count for name, count in odp.counts().items() if name != "requests"} == before


@pytest.mark.parametrize(("region", "words"), [("eu1", "Region eu1 answers"), (None, "the region cannot be told")])
def test_the_region_that_answers_is_named(odp: SandboxOdp, region: str | None, words: str) -> None:
    findings = by_subject(check_account(account(odp, region=region, key_region="eu1"), create_schema=True))
    assert words in findings["region"].cause


@pytest.mark.parametrize("create_schema", [True, False])
def test_a_public_key_fails_only_where_the_schema_has_to_be_read(odp: SandboxOdp, create_schema: bool) -> None:
    findings = by_subject(check_account(account(odp, odp.public_key), create_schema=create_schema))
    assert set(findings) == {"region", "key", "APIs"}  # said once, not for each API as well
    key = findings["key"]
    assert (key.verdict, key.exports) == (("failure", ALL_EXPORTS) if create_schema else ("warning", ()))
    assert key.cause == "A public key: it has no secret part. ODP refuses it for GraphQL, schema."
    assert "<public>.<secret>" in key.remedy
    assert findings["APIs"].cause.startswith("The key may use profiles, objects, events.")


def test_a_wrong_key_is_one_failure_of_all_exports(odp: SandboxOdp) -> None:
    (finding,) = check_account(account(odp, "nobody.nothing-secret"), create_schema=True)
    assert (finding.verdict, finding.exports) == ("failure", ALL_EXPORTS)
    assert f"{odp.url} refuses this key on every API" in finding.cause
    assert "Settings > APIs" in finding.remedy
    assert "nothing-secret" not in finding.text


def test_a_key_of_another_region_says_which(odp: SandboxOdp) -> None:
    (finding,) = check_account(account(odp, "nobody-eu1.nothing", region="us1", key_region="eu1"), create_schema=True)
    assert finding.verdict == "failure"
    assert "names the region eu1, but the requests go to us1: write eu1 as the connection's host" in finding.remedy


@pytest.mark.parametrize(
    ("path", "api", "create_schema", "exports"),
    [
        ("/v3/profiles", "profiles", True, {USER_PROFILES.dag_id}),
        ("/v3/objects", "objects", True, OBJECTS),
        ("/v3/events", "events", True, {ORDERS.dag_id}),
        ("/v3/schema", "schema", True, set(ALL_EXPORTS)),
        ("/v3/schema", "schema", False, set()),
        ("/v3/graphql", "GraphQL", True, set()),
    ],
)
def test_a_plan_without_an_api_fails_the_exports_that_need_it(
    odp: SandboxOdp, path: str, api: str, create_schema: bool, exports: set[str]
) -> None:
    odp.faults(path=path, status=403, body={"message": "Forbidden"})
    findings = by_subject(check_account(account(odp), create_schema=create_schema))
    finding = findings[f"{api} API"]
    assert (finding.verdict, set(finding.exports)) == ("failure" if exports else "warning", exports)
    assert finding.cause == f"The {api} API refuses the key."
    assert finding.remedy.endswith("ODP shows keys and their plans under Settings > APIs.")
    assert api not in findings["APIs"].cause


@pytest.mark.parametrize(("status", "words"), [(500, "does not answer: ODP did not accept"), (302, "answers 302")])
def test_an_api_that_is_out_of_order_is_named(odp: SandboxOdp, status: int, words: str) -> None:
    odp.faults(path="/v3/graphql", status=status, body="elsewhere")
    finding = by_subject(check_account(account(odp), create_schema=True))["GraphQL API"]
    assert finding.verdict == "warning"
    assert words in finding.cause
    assert finding.remedy.startswith("Try again later")


def test_an_address_where_nobody_listens_is_one_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        (finding,) = check_account(account_at(address), create_schema=True)
    assert (finding.subject, finding.verdict, finding.exports) == ("address", "failure", ALL_EXPORTS)
    assert address in finding.text


def test_an_address_that_is_not_odp_is_one_failure(odp: SandboxOdp) -> None:
    odp.faults(count=len(PROBES), status=302, body="elsewhere")
    (finding,) = check_account(account(odp), create_schema=True)
    assert (finding.subject, finding.verdict, finding.exports) == ("address", "failure", ALL_EXPORTS)
    assert "does not seem to be ODP's API" in finding.cause


def test_the_summary_for_the_form_says_what_is_wrong_or_what_was_found(odp: SandboxOdp) -> None:
    works, message = summarise(check_account(account(odp), create_schema=True))
    assert works
    assert "A private key. The key may use schema" in message
    odp.faults(path="/v3/graphql", status=403, body={"message": "Forbidden"})
    works, message = summarise(check_account(account(odp), create_schema=True))
    assert works
    assert message.startswith("The GraphQL API refuses the key.")
    odp.faults(path="/v3/events", status=403, body={"message": "Forbidden"})
    works, message = summarise(check_account(account(odp), create_schema=True))
    assert not works
    assert message.startswith("The events API refuses the key. Give the key a usage plan with the events API.")
