"""Extract: the rows of a window from the replica into staged parts, in one snapshot."""

from __future__ import annotations

import itertools
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg

from odp.core import currency
from odp.core.commerce import READS
from odp.core.contract import extended_contract, fields_fed_by
from odp.core.custom_fields import find_custom_fields
from odp.core.custom_queries import stage_custom_values
from odp.core.exports import Export
from odp.core.order_history import add_order_history, files_read
from odp.core.order_lines import ITEM_COLUMNS
from odp.core.order_status import resolve_actions
from odp.core.replica import begin_snapshot, describe, find_absences, read_lookup, stream_rows
from odp.core.rows import RowReader
from odp.core.settings import Settings
from odp.core.staging import FrameWriter, Staging
from odp.core.user_events import UserEvent, check_sources
from odp.core.websites import find_website_ids
from odp.core.window import Window

log = logging.getLogger(__name__)

MANIFEST = "extract.json"
CHUNK_BYTES = 1_300_000
"""Rows that transform holds in memory at a time: so many bytes of CSV."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """
    Which rows a run reads.

    :param window: range of ModifiedOn.
    :param ids: only these entities; ``None`` for all.
    :param as_of: the run's fixed "now", against which activation and sale dates are judged.
    :param by_entity_id: whether the ids are Commerce's ids, all of them: natural keys are not looked at, which a replica may have
        no index on.
    :param website_ids: only what belongs to these websites; ``None`` for all.
    """

    window: Window
    as_of: datetime
    ids: Sequence[str] | None = None
    by_entity_id: bool = False
    website_ids: Sequence[str] | None = None

    def parameters(self, settings: Settings) -> dict[str, Any]:
        """
        Return the values of a mapping file's placeholders.

        :param settings: e-mail mode and site address are placeholders, too.
        """
        ids = list(self.ids or ())
        return {
            "everything": self.window.is_everything,
            "window_start": self.window.start_text,
            "window_end": self.window.end_text,
            "all_ids": self.ids is None,
            "ids": [value for value in map(_uuid_or_none, ids) if value],
            "numbers": [] if self.by_entity_id else ids,
            "as_of": self.as_of,
            "all_websites": self.website_ids is None,
            "website_ids": list(self.website_ids or ()),
            "email_mode": settings.email_mode,
            **currency.parameters(settings.convert_currency),
            "site_url": settings.site_url.rstrip("/"),
            "user_events": list(settings.user_events),
        }


def _uuid_or_none(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def extract(
    connection: psycopg.Connection[Any],
    export: Export,
    mapping: str,
    lookups: Mapping[str, str],
    selection: Selection,
    settings: Settings,
    staging: Staging,
    *,
    retried: Sequence[str] = (),
    max_parts: int = 1024,
) -> list[dict[str, Any]]:
    """
    Read a window and stage it in parts.

    :param connection: an open connection to the replica, without a transaction.
    :param export: what is read.
    :param mapping: text of the export's mapping file.
    :param lookups: texts of the queries beside it, by name.
    :param selection: which rows.
    :param settings: the team's settings.
    :param staging: the run's folder; what an earlier try left there is removed.
    :param retried: entities that earlier runs could not deliver, read as well, in the window or not.
    :param max_parts: most parts there may be; 1024 is Airflow's default for mapped tasks.
    :return: one entry per part: ``part`` (its number), ``file`` and ``rows``.
    :raises ReplicaError: if the replica lacks something required or its configuration contradicts itself.
    :raises CustomPropertyError: if the settings ask for custom fields that cannot be.
    """
    staging.clear()
    begin_snapshot(
        connection,
        application_name=export.dag_id,
        statement_timeout_minutes=settings.statement_timeout_minutes,
    )
    tables = dict.fromkeys(table for file in files_read(export, settings) for table in READS[file])
    absences = find_absences(connection, list(tables))
    if absent := [*absences.tables, *absences.columns]:
        fields = fields_fed_by(export.contract, absent)
        log.warning("The replica lacks %s. Fields left out: %s.", ", ".join(absent), ", ".join(fields) or "none that is sent")
    if export.contract is UserEvent:
        check_sources(settings.user_events, absent)
    manifest: dict[str, Any] = {"export": export.dag_id, "absent": absent}
    if "order_status_mapping" in lookups:
        rows = read_lookup(connection, lookups["order_status_mapping"], absences)
        manifest["actions"], warnings = resolve_actions(rows, settings.order_status, strict=settings.strict_mapping)
        for warning in warnings:
            log.warning(warning)
    selection = replace(selection, website_ids=find_website_ids(connection, export.sql, mapping, settings.websites, absent))
    parameters = selection.parameters(settings)
    columns = currency.without_unused(describe(connection, mapping, parameters, absences), settings.convert_currency)
    # What is wrong with columns or custom fields fails here, before a row is read.
    contract = extended_contract(export.contract_for(settings), columns, ITEM_COLUMNS)
    custom = find_custom_fields(connection, export, settings, contract, columns, parameters, absences)
    queries = add_order_history(connection, mapping, lookups, parameters, absences, columns, settings)
    # First, so that where both queries find an entity the row of the window is the later one.
    selection_of_retried = replace(selection, window=Window(), ids=retried, by_entity_id=False).parameters(settings)
    all_rows = (
        row
        for chosen in ([selection_of_retried] if retried else []) + [parameters]
        for query in queries
        for row in stream_rows(connection, query, chosen, absences, columns)
    )
    parts = list(_stage_parts(all_rows, settings.part_rows, settings.part_megabytes * 1_000_000, max_parts, staging))
    if custom:
        stage_custom_values(connection, custom.queries, absences, RowReader(contract, columns), parts, staging)
        manifest["custom"] = custom.plan.model_dump()
        log.info("Custom fields: %s", ", ".join(f"{field.name} ({field.source})" for field in custom.plan.fields) or "none")
    connection.rollback()
    manifest |= {
        "window": [selection.window.start_text, selection.window.end_text],
        "columns": [[column.name, column.kind] for column in columns],
        "rows": sum(part["rows"] for part in parts),
        "parts": parts,
        "retried": list(retried),
    }
    staging.write_json(MANIFEST, manifest)
    return parts


def limit_of_part(number: int, limit: int, max_parts: int) -> int | None:
    """
    Return how much a part takes, so that there are never more parts than allowed.

    Each time that half of the parts that are left have been used, parts become twice as large. The last one takes all the rest.

    :param number: the part's number, from 0.
    :param limit: rows, or bytes, of the first half of all parts.
    :param max_parts: most parts there may be.
    """
    left = max_parts - number
    return limit << ((max_parts // left).bit_length() - 1) if left > 1 else None


def _stage_parts(
    rows: Iterator[bytes], part_rows: int, part_bytes: int, max_parts: int, staging: Staging
) -> Iterator[dict[str, Any]]:
    for number in itertools.count():
        part = itertools.islice(rows, limit_of_part(number, part_rows, max_parts))
        most_bytes = limit_of_part(number, part_bytes, max_parts)
        first = next(part, None)
        if first is None:
            return
        name = f"part-{number:05d}.csv.zst"
        staged_rows = staged_bytes = 0
        with staging.write(name) as file:
            frames = FrameWriter(file)
            chunk, size = [], 0
            for row in itertools.chain((first,), part):
                chunk.append(row)
                size += len(row)
                if size >= CHUNK_BYTES:
                    frames.write(b"".join(chunk))
                    staged_rows += len(chunk)
                    staged_bytes += size
                    chunk, size = [], 0
                    if most_bytes is not None and staged_bytes >= most_bytes:
                        break
            if chunk:
                frames.write(b"".join(chunk))
                staged_rows += len(chunk)
        yield {"part": number, "file": name, "rows": staged_rows}
