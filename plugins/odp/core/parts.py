"""Transform and load of one staged part: CSV in, upload bodies and rejects out; bodies in, deliveries out."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from odp.core.bodies import BodyWriter, read_bodies
from odp.core.client import OdpClient
from odp.core.contract import Column, extended_contract
from odp.core.custom_plan import CustomPlan
from odp.core.deliver import Fates, RecordLoader
from odp.core.deliver_events import EventLoader
from odp.core.deliver_files import FileLoader
from odp.core.exceptions import StagingError
from odp.core.exports import Export
from odp.core.extract import MANIFEST
from odp.core.import_bucket import ImportBucket, is_file
from odp.core.ledger import Ledger
from odp.core.odp_schema import ensure_schema
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.records import Order, Record
from odp.core.settings import Settings, Transport
from odp.core.staging import FrameWriter, LineWriter, Staging, read_frames
from odp.core.uncertain import resolver_of
from odp.core.window import Window

if TYPE_CHECKING:
    import polars as pl

    from odp.core.custom_merge import CustomValues

log = logging.getLogger(__name__)

UNCERTAIN_REASON = "An event of this order is on its way, or the answer to it was lost; a later run looks for it in ODP."
HELD_REASON = (
    "The answer to this event was lost, and ODP cannot be asked whether it has it: it is not sent again before somebody decides, "
    "by DeliveredOrders or NotDeliveredOrders of odp_maintenance."
)


def run_contract(export: Export, settings: Settings, manifest: dict[str, Any]) -> tuple[type[Record], list[Column]]:
    """
    Return the contract of a run, custom fields included, and the columns it was extracted with.

    :param export: the export.
    :param settings: the team's settings.
    :param manifest: what extract wrote.
    """
    columns = [Column(name, kind) for name, kind in manifest["columns"]]
    contract = extended_contract(export.contract_for(settings), columns, ITEM_COLUMNS)
    plan = _custom_plan(manifest)
    return plan.extend(contract) if plan else contract, columns


def _custom_plan(manifest: dict[str, Any]) -> CustomPlan | None:
    return CustomPlan.model_validate(manifest["custom"]) if manifest.get("custom") else None


def custom_values(
    export: Export, contract: type[Record], columns: Sequence[Column], manifest: dict[str, Any]
) -> CustomValues | None:
    """
    Return the custom values of a run.

    :param export: the export.
    :param contract: the run's contract.
    :param columns: the columns it was extracted with.
    :param manifest: what extract wrote.
    :return: ``None``, if the run has none.
    """
    from odp.core.custom_merge import CustomValues

    plan = _custom_plan(manifest)
    return CustomValues(export, plan, contract, columns, Window.from_texts(*manifest["window"])) if plan else None


def transform_part(
    export: Export,
    part: dict[str, Any],
    settings: Settings,
    staging: Staging,
    ledger: Ledger,
    *,
    batch_size: int,
    resend: bool,
    transport: Transport = "rest",
) -> dict[str, Any]:
    """
    Turn a staged part into upload bodies, or CSV files, and rejects, leaving out what ODP has acknowledged as it is.

    :param export: what is sent.
    :param part: the part, as extract listed it.
    :param settings: the team's settings.
    :param staging: the run's folder.
    :param ledger: the export's ledger; it is only read.
    :param batch_size: items in a body, 1 to 500.
    :param resend: whether unchanged records are sent all the same.
    :param transport: whether they are to be sent to the REST API or as CSV files.
    :return: the part's counts and the names of its files.
    :raises StagingError: if the part does not hold as many rows as were extracted.
    :raises CustomFunctionError: if a team's function for custom properties raises an error.
    """
    from odp.core.changes import ChangeDetector
    from odp.core.csv_files import CsvFiles
    from odp.core.transform import Transformer

    manifest = staging.read_json(MANIFEST)
    contract, columns = run_contract(export, settings, manifest)
    transformer = Transformer(contract, export.family, columns, manifest.get("actions"))
    detector = ChangeDetector(export, transformer, ledger, resend=resend)
    custom = custom_values(export, contract, columns, manifest)
    add_custom = custom.of_part(part, staging) if custom else None
    number = part["part"]
    rejects_name = f"rejects-{number:05d}.jsonl.zst"
    skipped: Counter[str] = Counter()
    statuses: Counter[tuple[str, str]] = Counter()
    counts = Counter(extracted=0, unchanged=0, rejected=0, uncertain=0, cut=0)

    with staging.read(part["file"]) as file:
        superseded = transformer.superseded_rows(read_frames(file))
    if len(superseded) != part["rows"]:
        raise StagingError(
            f"Staged part {part['file']} holds {len(superseded)} rows where {part['rows']} were extracted. "
            "Clear the extract task of this run to stage it again."
        )
    with ExitStack() as stack:
        max_sets = settings.csv.files_of_events if transport == "csv" and settings.csv else 0
        csv_files = stack.enter_context(CsvFiles(export, contract, staging, number, max_sets)) if max_sets else None
        uploads = _UploadFiles(stack, staging, number, batch_size)
        rejects = stack.enter_context(LineWriter(stack.enter_context(staging.write(rejects_name))))
        file = stack.enter_context(staging.read(part["file"]))
        for chunk in read_frames(file):
            outcome = transformer.transform(chunk, superseded, counts["extracted"], detector.changed, add_custom)
            changes = detector.detect(outcome)
            uploads.add(csv_files.take(changes.uploads) if csv_files else changes.uploads)
            for reject in outcome.rejects:
                rejects.write(reject.as_json())
            for key, entity_id in changes.uncertain:
                rejects.write(uncertain_line(export, entity_id, key))
            counts.update(
                extracted=outcome.rows,
                unchanged=outcome.unchanged + changes.unchanged,
                rejected=len(outcome.rejects),
                uncertain=len(changes.uncertain),
                cut=outcome.cut,
            )
            skipped.update(outcome.skipped)
            statuses.update(outcome.statuses)
        for path, left_over in csv_files.close() if csv_files else ():
            uploads.add({path: left_over})
        listed = [*uploads.close(), *(csv_files.listed if csv_files else ())]
    return {
        "part": number,
        "uploads": listed,
        "records": sum(upload["rows"] for upload in listed),
        "rejects": rejects_name,
        "skipped": dict(skipped),
        "statuses": [[status, action, count] for (status, action), count in sorted(statuses.items())],
        **counts,
    }


def uncertain_line(export: Export, entity_id: str, key: str) -> bytes:
    """Return the staged line of a row that a later run has to look at again."""
    reason = UNCERTAIN_REASON if export.contract is Order else HELD_REASON
    return orjson.dumps({"entity_id": entity_id, "key": key, "reason": reason, "uncertain": True})


class _UploadFiles:
    """The files of bodies of a part, one pair per upload path, opened when the path is first used."""

    def __init__(self, stack: ExitStack, staging: Staging, part: int, batch_size: int) -> None:
        self._stack = stack
        self._staging = staging
        self._part = part
        self._batch_size = batch_size
        self._writers: dict[str, BodyWriter] = {}

    def add(self, uploads: Mapping[str, pl.DataFrame]) -> None:
        """Add uploads by path (``odp.core.changes.Changes.uploads``)."""
        for path, frame in uploads.items():
            if frame.is_empty():
                continue
            writer = self._writers.get(path) or self._open(path)
            for item, states, items, alone in frame.iter_rows():
                writer.add(item, states, items, alone=alone)

    def close(self) -> list[dict[str, Any]]:
        """Write what is left and list the files."""
        for writer in self._writers.values():
            writer.close()
        return [
            {"path": path, "rows": writer.rows, "items": writer.items, "requests": writer.bodies, **self._names(path)}
            for path, writer in self._writers.items()
            if writer.bodies
        ]

    def _names(self, path: str) -> dict[str, str]:
        stem = f"{self._part:05d}-{path.rsplit('/', 1)[1]}"
        return {"bodies": f"bodies-{stem}.jsonl.zst", "states": f"states-{stem}.csv.zst"}

    def _open(self, path: str) -> BodyWriter:
        names = self._names(path)
        lines = self._stack.enter_context(LineWriter(self._stack.enter_context(self._staging.write(names["bodies"]))))
        frames = FrameWriter(self._stack.enter_context(self._staging.write(names["states"])))
        writer = self._writers[path] = BodyWriter(lines, frames, self._batch_size)
        return writer


def load_part(
    export: Export,
    transformed: dict[str, Any],
    client: OdpClient,
    settings: Settings,
    staging: Staging,
    ledger: Ledger,
    *,
    run_id: str,
    dry_run: bool,
    repeated: bool,
    began: datetime | None = None,
    bucket: ImportBucket | None = None,
) -> dict[str, Any]:
    """
    Send a part's bodies to ODP and record what it acknowledges.

    :param export: what is sent.
    :param transformed: the part, as transform reported it.
    :param client: the account it is sent to.
    :param settings: the team's settings.
    :param staging: the run's folder.
    :param ledger: the export's ledger.
    :param run_id: the run.
    :param dry_run: send and claim nothing; the bodies stay where transform wrote them.
    :param repeated: whether an earlier try may have delivered some of it.
    :param began: when the run began, if other runs of the export may deliver at the same time.
    :param bucket: where ODP imports CSV files from, if transform wrote some.
    :return: the part's counts: ``delivered`` (as the ledger counts), ``rejected``, ``unchanged``, ``uncertain``, ``not_sent``;
        ``files``, the names of the CSV files, if there are some.
    :raises OdpForbiddenError: if the key may not upload.
    :raises OdpUnavailableError: if ODP did not take a body within the retry budget.
    """
    number, uploads = transformed["part"], transformed["uploads"]
    counts: dict[str, Any] = {"part": number, "delivered": 0, "rejected": 0, "unchanged": 0, "uncertain": 0, "not_sent": 0}
    if dry_run:
        for upload in uploads:
            log.info(
                "Dry run: %s requests to %s stay in %s", upload["requests"], upload["path"], staging.path_of(upload["bodies"])
            )
        return counts | {"not_sent": transformed["records"]}
    if not uploads:
        return counts
    if settings.create_schema:
        contract, _ = run_contract(export, settings, staging.read_json(MANIFEST))
        if created := ensure_schema(client, contract):
            log.info("Created in ODP: %s", ", ".join(created))
    records = RecordLoader(client, ledger, run_id, number, repeated=repeated, began=began)
    resolver = resolver_of(export, client, settings)
    events = EventLoader(client, ledger, resolver, run_id, number)
    fates = Fates()
    for upload in uploads:
        if is_file(upload):
            continue
        with staging.read(upload["bodies"]) as bodies, staging.read(upload["states"]) as states:
            loader = events if upload["path"] == "/events" else records
            fates.add(loader.load(upload["path"], read_bodies(bodies, states)))
    files: list[str] = []
    if bucket:
        file_loader = FileLoader(bucket, ledger, staging, run_id, number, repeated=repeated)
        fates.add(file_loader.load(uploads))
        files = file_loader.files
    if repeated and export.family != "events":
        # Every row is acknowledged or refused by now. Of a key that another part has sent in another form since, the ledger
        # cannot tell whether the earlier try has counted it already.
        ledger.set_delivered(run_id, number, transformed["records"] - fates.rejected)
    rejects_name = f"rejects-odp-{number:05d}.jsonl.zst"
    with staging.write(rejects_name) as file, LineWriter(file) as lines:
        for reject in fates.rejects:
            lines.write(
                orjson.dumps(
                    {
                        "entity_id": reject.entity_id,
                        "key": reject.record_key,
                        "reason": reject.reason,
                        "row": reject.payload,
                        "odp": True,
                    }
                )
            )
        for state in fates.uncertain:
            lines.write(uncertain_line(export, state.entity_id, state.record_key))
    return counts | {
        "delivered": ledger.delivered_rows(run_id, number),
        "rejected": fates.rejected,
        "unchanged": fates.unchanged,
        "uncertain": len(fates.uncertain),
        "rejects": rejects_name,
        **({"files": files} if files else {}),
    }
