"""Transform and load of one staged part: CSV in, upload bodies and rejects out; bodies in, deliveries out."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from typing import Any

import orjson

from odp.core.bodies import BodyWriter, read_bodies
from odp.core.client import OdpClient
from odp.core.contract import Column, extended_contract
from odp.core.exceptions import StagingError
from odp.core.exports import Export
from odp.core.extract import MANIFEST
from odp.core.odp_schema import ensure_schema
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.records import Record
from odp.core.settings import Settings
from odp.core.staging import LineWriter, Staging, read_frames

log = logging.getLogger(__name__)


def run_contract(export: Export, settings: Settings, manifest: dict[str, Any]) -> tuple[type[Record], list[Column]]:
    """
    Return the contract of a run and the columns it was extracted with.

    :param export: the export.
    :param settings: the team's settings.
    :param manifest: what extract wrote.
    """
    columns = [Column(name, kind) for name, kind in manifest["columns"]]
    return extended_contract(export.contract_for(settings), columns, ITEM_COLUMNS), columns


def transform_part(
    export: Export, part: dict[str, Any], settings: Settings, staging: Staging, *, batch_size: int
) -> dict[str, Any]:
    """
    Turn a staged part into upload bodies and rejects.

    :param export: what is sent.
    :param part: the part, as extract listed it.
    :param settings: the team's settings.
    :param staging: the run's folder.
    :param batch_size: items in a body, 1 to 500.
    :return: the part's counts and the names of its files.
    :raises StagingError: if the part does not hold as many rows as were extracted.
    """
    from odp.core.transform import Transformer

    manifest = staging.read_json(MANIFEST)
    contract, columns = run_contract(export, settings, manifest)
    transformer = Transformer(contract, export.family, columns, manifest.get("actions"))
    number = part["part"]
    bodies_name, rejects_name = f"bodies-{number:05d}.jsonl.zst", f"rejects-{number:05d}.jsonl.zst"
    skipped: Counter[str] = Counter()
    statuses: Counter[tuple[str, str]] = Counter()
    rows = rejected = cut = 0

    with staging.read(part["file"]) as file:
        superseded = transformer.superseded_rows(read_frames(file))
    if len(superseded) != part["rows"]:
        raise StagingError(
            f"Staged part {part['file']} holds {len(superseded)} rows where {part['rows']} were extracted. "
            "Clear the extract task of this run to stage it again."
        )
    with ExitStack() as stack:
        bodies = BodyWriter(stack.enter_context(LineWriter(stack.enter_context(staging.write(bodies_name)))), batch_size)
        rejects = stack.enter_context(LineWriter(stack.enter_context(staging.write(rejects_name))))
        file = stack.enter_context(staging.read(part["file"]))
        for chunk in read_frames(file):
            outcome = transformer.transform(chunk, superseded, rows)
            rows += outcome.rows
            for item in outcome.items:
                bodies.add(item.encode())
            for reject in outcome.rejects:
                rejects.write(reject.as_json())
            rejected += len(outcome.rejects)
            skipped.update(outcome.skipped)
            statuses.update(outcome.statuses)
            cut += outcome.cut
        bodies.close()
    return {
        "part": number,
        "bodies": bodies_name,
        "rejects": rejects_name,
        "extracted": rows,
        "records": bodies.items,
        "requests": bodies.bodies,
        "skipped": dict(skipped),
        "rejected": rejected,
        "cut": cut,
        "statuses": [[status, action, count] for (status, action), count in sorted(statuses.items())],
    }


def load_part(
    export: Export,
    transformed: dict[str, Any],
    client: OdpClient,
    settings: Settings,
    staging: Staging,
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """
    Send a part's bodies to ODP.

    :param export: what is sent.
    :param transformed: the part, as transform reported it.
    :param client: the account it is sent to.
    :param settings: the team's settings.
    :param staging: the run's folder.
    :param dry_run: send nothing; the bodies stay where transform wrote them.
    :return: the part's counts: ``delivered``, ``rejected``, ``not_sent``.
    :raises OdpForbiddenError: if the key may not upload.
    :raises OdpUnavailableError: if ODP did not take a body within the retry budget.
    """
    number = transformed["part"]
    counts: dict[str, Any] = {
        "part": number,
        "delivered": 0,
        "rejected": 0,
        "not_sent": 0,
        "rejects": None,
    }
    if dry_run:
        log.info("Dry run: %s bodies stay in %s", transformed["requests"], staging.path_of(transformed["bodies"]))
        return counts | {"not_sent": transformed["records"]}
    if not transformed["records"]:
        return counts
    if settings.create_schema:
        contract, _ = run_contract(export, settings, staging.read_json(MANIFEST))
        if created := ensure_schema(client, contract):
            log.info("Created in ODP: %s", ", ".join(created))
    rejects_name = f"rejects-odp-{number:05d}.jsonl.zst"
    with ExitStack() as stack:
        rejects = stack.enter_context(LineWriter(stack.enter_context(staging.write(rejects_name))))
        file = stack.enter_context(staging.read(transformed["bodies"]))
        for delivery in client.send(export.path, read_bodies(file)):
            counts["delivered"] += delivery.accepted
            for rejected in delivery.rejected:
                key = export.key_of_item(rejected.item)
                rejects.write(orjson.dumps({"key": key, "reason": rejected.reason, "item": rejected.item}))
                counts["rejected"] += 1
    return counts | {"rejects": rejects_name}
