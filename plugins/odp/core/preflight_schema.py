"""Preflight of ODP's schema: objects, fields, identifiers and relations, created where they are missing and that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from odp.core.client import OdpClient
from odp.core.exceptions import OdpApiError
from odp.core.exports import get_export
from odp.core.odp_schema import PERSON_IDENTIFIER, OdpObject, SchemaGap, ensure_schema, find_gap, read_schema
from odp.core.preflight_report import Finding, Verdict, failure_of
from odp.core.records import Profile, Record
from odp.core.settings import Settings

_AREA = "schema"

_Line: TypeAlias = tuple[Verdict, str, str, str]
"""Verdict, subject, cause and remedy."""

_BY_HAND = "Create it in ODP, or set create_schema to true in odp_settings."


def check_schema(
    client: OdpClient, contracts: Mapping[str, type[Record]], settings: Settings, *, dry_run: bool = False
) -> list[Finding]:
    """
    Compare what the exports need with what ODP has, after creating what is missing if ``create_schema`` is on.

    :param client: client with the private key.
    :param contracts: contract of each export, with the columns added in SQL, in the order of a first load.
    :param settings: whether anything is created, and which identifier people have.
    :param dry_run: create nothing now, as nothing of ODP's schema can be taken back.
    """
    created: dict[str, list[str]] = {}
    findings = []
    for export_id, contract in contracts.items() if settings.create_schema and not dry_run else ():
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
            findings += _judge(export_id, contract, schema, settings, created.get(export_id, []), dry_run=dry_run)
    return findings


def _judge(
    export_id: str,
    contract: type[Record],
    schema: Mapping[str, OdpObject],
    settings: Settings,
    created: list[str],
    *,
    dry_run: bool,
) -> list[Finding]:
    """Judge what one export needs, as it is now."""
    gap = find_gap(schema, contract)
    lines = list(_contradictions(gap, contract, schema, settings, get_export(export_id).sql))
    if (lacking := _lacking(gap)) and dry_run and settings.create_schema:
        lines.append(("ok", f"object {contract.object_name}", f"A run that is no dry run will create {_counted(lacking)}.", ""))
    elif lacking:
        lines += _lacks(gap, contract, settings)
    elif not lines:
        cause = f"Complete. Created just now: {_counted(created)}." if created else "Complete."
        lines.append(("ok", f"object {contract.object_name}", cause, ""))
    return [
        Finding(
            area=_AREA,
            subject=subject,
            verdict=verdict,
            cause=cause,
            remedy=remedy,
            exports=(export_id,),
            details={"created": created} if created else {},
        )
        for verdict, subject, cause, remedy in lines
    ]


def _contradictions(
    gap: SchemaGap, contract: type[Record], schema: Mapping[str, OdpObject], settings: Settings, sql_file: str
) -> Iterator[_Line]:
    """Name what is there in another form, which cannot be changed in ODP."""
    name = contract.object_name
    if gap.other_key:
        cause = f"Its key in ODP is {' + '.join(gap.other_key)}, but rows are sent by {' + '.join(contract.key)}."
        yield "failure", f"object {name}", cause, f"Give the column that holds it this alias in include/sql/{sql_file}."
    people = schema[Profile.object_name].fields if Profile.object_name in schema else {}
    kind = people.get(PERSON_IDENTIFIER, "identifier")
    if issubclass(contract, Profile) and kind != "identifier":
        yield _no_identifier(f"ODP's customers have it as a field of type {kind}, which identifies nobody.", settings)
    for field, type_ in gap.other_types.items():
        cause = f"ODP has it as {type_}, which is not the type that is sent: it may drop the values."
        remedy = "Give the column another alias in the export's SQL, or one of ODP's type."
        yield "warning", f"field {name}.{field}", cause, remedy


def _lacks(gap: SchemaGap, contract: type[Record], settings: Settings) -> Iterator[_Line]:
    """Name what is missing and is not going to be created."""
    name = contract.object_name
    if gap.missing_object:
        yield "failure", f"object {name}", f"ODP has no object {name}.", _BY_HAND
        return
    if gap.missing_identifier:
        yield _no_identifier("ODP does not have it.", settings)
    if gap.missing_fields:
        cause = f"ODP has no field {', '.join(gap.missing_fields)}: it drops their values."
        yield "warning", f"fields of {name}", cause, _BY_HAND.replace("it in", "them in")
    if gap.missing_relations:
        names = ", ".join(f"{relation.name} (to {relation.child.object_name})" for relation in gap.missing_relations)
        cause = f"ODP has no relation {names}: segments and GraphQL cannot follow it. The data arrives nevertheless."
        remedy = (
            "ODP refused to create it, see the log; create it in ODP if it is wanted." if settings.create_schema else _BY_HAND
        )
        yield "warning", f"relations of {name}", cause, remedy


def _no_identifier(cause: str, settings: Settings) -> _Line:
    """Judge that ODP cannot tell people apart by Commerce's id."""
    subject = f"identifier {PERSON_IDENTIFIER}"
    if settings.email_mode == "non_unique":
        return "failure", subject, f"{cause} email_mode is non_unique, so people are sent by it alone.", _BY_HAND
    return "warning", subject, f"{cause} People are told apart by their e-mail address alone.", _BY_HAND


def _lacking(gap: SchemaGap) -> list[str]:
    """List what :func:`~odp.core.odp_schema.ensure_schema` would create."""
    parts = ["object"] * gap.missing_object + ["identifier"] * gap.missing_identifier
    fields = [] if gap.missing_object else [f"field {name}" for name in gap.missing_fields]
    return [*parts, *fields, *(f"relation {relation.name}" for relation in gap.missing_relations)]


def _counted(created: list[str]) -> str:
    kinds = Counter(line.partition(" ")[0] for line in created)
    return ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in kinds.items())
