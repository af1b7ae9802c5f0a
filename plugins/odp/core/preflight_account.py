"""
Preflight of the ODP account: does the address answer, is the key private and of this region, which APIs may it use.

Nothing is written: uploads are probed with an empty list, which a plan without the API refuses like any other request. Limits and
quotas of a usage plan cannot be seen from outside; ODP shows them under Settings > APIs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from odp.core.client import OdpClient
from odp.core.exceptions import OdpApiError, OdpForbiddenError, OdpNotFoundError
from odp.core.exports import EXPORTS, ORDERS
from odp.core.preflight_report import ALL_EXPORTS, Finding, Verdict, failure_of

_AREA = "ODP"

_WHERE = "ODP shows keys and their plans under Settings > APIs."

_READS = frozenset({"schema", "GraphQL"})
"""APIs that need the private key."""

_LATER = "Try again later; if it stays so, ask Optimizely."

_ANSWERED, _REFUSED = "answers", "refuses the key"


@dataclass(frozen=True)
class Probe:
    """
    A request that writes nothing.

    :param api: name of the API, as ODP's usage plans call it.
    :param method: HTTP method.
    :param path: path under ``/v3``.
    :param body: JSON.
    """

    api: str
    method: str
    path: str
    body: bytes | None = None


PROBES = (
    Probe("schema", "GET", "/schema/objects"),
    Probe("GraphQL", "POST", "/graphql", orjson.dumps({"query": "{ __typename }"})),
    Probe("profiles", "POST", "/profiles", b"[]"),
    Probe("objects", "POST", "/objects/products", b"[]"),
    Probe("events", "POST", "/events", b"[]"),
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """
    An ODP account as a connection describes it.

    :param client: a client of it.
    :param is_private: whether its key has a secret part.
    :param key_region: the region that the key's public part names.
    :param region: the region of the address; ``None`` for an address that is none of ODP's.
    """

    client: OdpClient
    is_private: bool
    key_region: str
    region: str | None


def check_account(account: Account, *, create_schema: bool) -> list[Finding]:
    """
    Check the address, the key and the APIs it may use.

    :param account: the account.
    :param create_schema: whether the exports create what ODP's schema lacks, which needs the schema API.
    """
    outcomes: dict[str, str] = {}
    for probe in PROBES:
        try:
            outcomes[probe.api] = _send(account.client, probe)
        except OdpApiError as error:
            if not outcomes:
                return [failure_of(error, _AREA, "address")]
            outcomes[probe.api] = f"does not answer: {error}"
    if all(outcome == _REFUSED for outcome in outcomes.values()):
        return [_wrong_key(account)]
    if all(outcome != _ANSWERED for outcome in outcomes.values()):
        return [_no_odp(account, outcomes)]
    refused_reads = {api for api, outcome in outcomes.items() if outcome == _REFUSED} & _READS
    findings = [_region(account), _key(account, refused_reads, create_schema=create_schema)]
    if not account.is_private:  # it has been said that it may not read
        outcomes = {api: outcome for api, outcome in outcomes.items() if api not in refused_reads}
    return [*findings, *_plans(outcomes, create_schema=create_schema)]


def summarise(findings: list[Finding]) -> tuple[bool, str]:
    """
    Say in a few sentences whether an account can be used, for Airflow's connection form.

    :param findings: what :func:`check_account` found.
    :return: whether no check failed, and the sentences: what is wrong, or else what was found.
    """
    wrong = [finding for finding in findings if finding.verdict != "ok"]
    sentences = [f"{finding.cause} {finding.remedy}".strip() for finding in wrong or findings]
    return all(finding.verdict != "failure" for finding in findings), " ".join(sentences)


def _send(client: OdpClient, probe: Probe) -> str:
    try:
        status = client.request(probe.method, probe.path, probe.body).status
    except OdpForbiddenError:
        return _REFUSED
    except OdpNotFoundError:
        return _ANSWERED
    # 400 is what an empty list deserves.
    return _ANSWERED if status < 300 or (status == 400 and probe.body) else f"answers {status}, which is not what ODP answers"


def _wrong_key(account: Account) -> Finding:
    if account.region and account.key_region != account.region:
        remedy = (
            f"The public part of the key names the region {account.key_region}, but the requests go to {account.region}: write "
            f"{account.key_region} as the connection's host, or leave the host empty."
        )
    else:
        remedy = f"Put a valid private key in the connection's password, and check that the account lives there. {_WHERE}"
    cause = f"{account.client.base_url} refuses this key on every API: it is wrong, revoked or of another region, or has no plan."
    return Finding(area=_AREA, subject="key", verdict="failure", cause=cause, remedy=remedy, exports=ALL_EXPORTS)


def _no_odp(account: Account, outcomes: Mapping[str, str]) -> Finding:
    cause = f"{account.client.base_url} does not seem to be ODP's API: {'; '.join(f'{a} {o}' for a, o in outcomes.items())}."
    remedy = "Write a region (us1, eu1, au1) or the address of ODP's API as the connection's host."
    return Finding(area=_AREA, subject="address", verdict="failure", cause=cause, remedy=remedy, exports=ALL_EXPORTS)


def _region(account: Account) -> Finding:
    if account.region:
        cause = f"Region {account.region} answers for this key."
    else:
        cause = (
            f"{account.client.base_url} answers for this key; it is none of ODP's own addresses, so the region cannot be told."
        )
    return Finding(area=_AREA, subject="region", verdict="ok", cause=cause)


def _key(account: Account, refused_reads: set[str], *, create_schema: bool) -> Finding:
    if account.is_private:
        return Finding(area=_AREA, subject="key", verdict="ok", cause="A private key.")
    cause = "A public key: it has no secret part."
    if refused_reads:
        cause += f" ODP refuses it for {', '.join(sorted(refused_reads))}."
    remedy = f"Put the private key, <public>.<secret>, in the connection's password. {_WHERE}"
    exports = ALL_EXPORTS if create_schema and "schema" in refused_reads else ()
    verdict: Verdict = "failure" if exports else "warning"
    return Finding(area=_AREA, subject="key", verdict=verdict, cause=cause, remedy=remedy, exports=exports)


def _plans(outcomes: Mapping[str, str], *, create_schema: bool) -> list[Finding]:
    findings = []
    for api, outcome in outcomes.items():
        if outcome == _ANSWERED:
            continue
        exports = _needed_by(api) if api != "schema" or create_schema else ()
        findings.append(
            Finding(
                area=_AREA,
                subject=f"{api} API",
                verdict="failure" if exports else "warning",
                cause=f"The {api} API {outcome}.",
                remedy=_REMEDIES.get(api, _needs_plan)(api) if outcome == _REFUSED else _LATER,
                exports=exports,
            )
        )
    answering = [api for api, outcome in outcomes.items() if outcome == _ANSWERED]
    cause = f"The key may use {', '.join(answering)}. Limits and quotas of its usage plan cannot be seen from outside."
    return [*findings, Finding(area=_AREA, subject="APIs", verdict="ok", cause=cause)]


def _needed_by(api: str) -> tuple[str, ...]:
    """List the exports that cannot work without an API."""
    if api == "schema":
        return ALL_EXPORTS
    # An order that changed after its purchase goes to the object.
    return tuple(export.dag_id for export in EXPORTS if export.family == api or (export is ORDERS and api == "objects"))


def _needs_plan(api: str) -> str:
    return f"Give the key a usage plan with the {api} API. {_WHERE}"


def _needs_schema(_: str) -> str:
    return f"Use the private key with a plan for it, or set create_schema to false and create what is missing by hand. {_WHERE}"


def _needs_graphql(_: str) -> str:
    return (
        "Without it nothing can be read back, and orders whose answer was lost stay uncertain. Use the private key with a plan "
        f"for it. {_WHERE}"
    )


_REMEDIES: Mapping[str, Callable[[str], str]] = {"schema": _needs_schema, "GraphQL": _needs_graphql}
