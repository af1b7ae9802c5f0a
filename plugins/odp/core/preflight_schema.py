"""Preflight of ODP's schema: objects, fields, identifiers and relations, created where they are missing and that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from odp.core.client import OdpClient
from odp.core.exceptions import OdpApiError
from odp.core.exports import get_export
from odp.core.odp_schema import PERSON_IDENTIFIER, OdpObject, SchemaGap, ensure_schema, find_gap, read_schema
from odp.core.preflight_report import Finding, Verdict, failure_of
from odp.core.records import Profile, Record
from odp.core.settings import Settings

_AREA = "schema"

_BY_HAND = "Create it in ODP, or set create_schema to true in odp_settings."


def check_schema(client: OdpClient, contracts: Mapping[str, type[Record]], settings: Settings) -> list[Finding]:
    """
    Compare what the exports need with what ODP has, after creating what is missing if ``create_schema`` is on.

    :param client: client with the private key.
    :param contracts: contract of each export, with the columns added in SQL, in the order of a first load.
    :param settings: whether anything is created, and which identifier people have.
    """
    created: dict[str, list[str]] = {}
    findings = []
    for export_id, contract in contracts.items() if settings.create_schema else ():
        try:
            created[export_id] = ensure_schema(client, contract)
        except OdpApiError as error:
            findings.append(failure_of(error, _AREA, f"creating what {contract.object_name} lacks", (export_id,)))
    try:
        schema = read_schema(client)
    except OdpApiError as error:
        # Without create_schema an export does not ask for the schema.
        return [*findings, failure_of(error, _AREA, "objects and fields", (), "warning")]
    failed = {export for finding in findings for export in finding.exports}
    for export_id, contract in contracts.items():
        if export_id not in failed:
            findings += _compare(export_id, contract, schema, settings, created.get(export_id, []))
    return findings


def _compare(
    export_id: str, contract: type[Record], schema: Mapping[str, OdpObject], settings: Settings, created: list[str]
) -> list[Finding]:
    name = contract.object_name
    gap = find_gap(schema, contract)
    exports = (export_id,)

    def finding(verdict: Verdict, subject: str, cause: str, remedy: str) -> Finding:
        return Finding(area=_AREA, subject=subject, verdict=verdict, cause=cause, remedy=remedy, exports=exports)

    if gap.missing_object:
        return [finding("failure", f"object {name}", f"ODP has no object {name}.", _BY_HAND)]
    findings = []
    if gap.other_key:
        cause = f"Its key in ODP is {' + '.join(gap.other_key)}, but rows are sent by {' + '.join(contract.key)}."
        remedy = f"Give the column that holds it this alias in include/sql/{get_export(export_id).sql}."
        findings.append(finding("failure", f"object {name}", cause, remedy))
    if identifier := _identifier_finding(gap, schema, contract, settings):
        findings.append(finding(*identifier))
    if gap.missing_fields:
        cause = f"ODP has no field {', '.join(gap.missing_fields)}: it drops their values."
        findings.append(finding("warning", f"fields of {name}", cause, _BY_HAND.replace("it in", "them in")))
    for field, type_ in gap.other_types.items():
        cause = f"ODP has it as {type_}, which is not the type that is sent: it may drop the values."
        remedy = "Give the column another alias in the export's SQL, or one of ODP's type."
        findings.append(finding("warning", f"field {name}.{field}", cause, remedy))
    if gap.missing_relations:
        names = ", ".join(f"{relation.name} (to {relation.child.object_name})" for relation in gap.missing_relations)
        cause = f"ODP has no relation {names}: segments and GraphQL cannot follow it. The data arrives nevertheless."
        remedy = _BY_HAND if not settings.create_schema else "ODP refused to create it, see the log; create it in ODP if wanted."
        findings.append(finding("warning", f"relations of {name}", cause, remedy))
    if not findings:
        cause = f"Complete. Created just now: {_counted(created)}." if created else "Complete."
        findings.append(finding("ok", f"object {name}", cause, ""))
    return [replace(finding, details={"created": created}) for finding in findings] if created else findings


def _counted(created: list[str]) -> str:
    kinds = Counter(line.partition(" ")[0] for line in created)
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items())


def _identifier_finding(
    gap: SchemaGap, schema: Mapping[str, OdpObject], contract: type[Record], settings: Settings
) -> tuple[Verdict, str, str, str] | None:
    """Judge the identifier of people: without it ODP cannot tell people apart by Commerce's id."""
    kind = schema[Profile.object_name].fields.get(PERSON_IDENTIFIER) if Profile.object_name in schema else None
    if gap.missing_identifier:
        cause = f"ODP has no identifier {PERSON_IDENTIFIER}."
    elif issubclass(contract, Profile) and kind not in ("identifier", None):
        cause = f"ODP's customers have {PERSON_IDENTIFIER} as a field of type {kind}, which identifies nobody."
    else:
        return None
    subject = f"identifier {PERSON_IDENTIFIER}"
    if settings.email_mode == "non_unique":
        return "failure", subject, f"{cause} email_mode is non_unique, so people are sent by it alone.", _BY_HAND
    return "warning", subject, f"{cause} People are told apart by their e-mail address alone.", _BY_HAND
