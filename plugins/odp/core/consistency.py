"""
The comparison of one export's whole source with what ODP has acknowledged.

It reads the source by the same extract and the same transform as a run of the export, so exactly what would be sent is hashed.
Every row of the source ends as one of:

* same: ODP has acknowledged it as it is;
* missing: ODP never acknowledged it, and for an order no event of it is claimed; changed: ODP acknowledged another content;
* pending: missing or changed, but the next run of the export reads it, or another run delivered it meanwhile;
* rejected: it cannot be sent, or ODP refused it, which every run of the export tries again; uncertain: an event of it is open;
* skipped: the export does not send it.

What the ledger knows beyond that is deleted (the source no longer has it), extra (the source has it, but it is skipped now) or
deactivated (deleted, and ODP was told).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.changes import ChangeDetector
from odp.core.client import OdpClient
from odp.core.coverage import read_coverage
from odp.core.custom_merge import CustomValues, Merge
from odp.core.deactivate import can_deactivate
from odp.core.differences import Differences
from odp.core.event_claims import EventClaims
from odp.core.exceptions import StagingError
from odp.core.exports import Export
from odp.core.extract import MANIFEST
from odp.core.ledger import Ledger
from odp.core.masking import label
from odp.core.parts import custom_values, run_contract
from odp.core.rows import ENTITY, KEY
from odp.core.sample import Sample, SampleResult, read_sample_back
from odp.core.settings import Settings
from odp.core.staging import Staging, read_frames
from odp.core.transform import Choose, Outcome, Transformer
from odp.core.window import Window

EXAMPLES = 10

Read = Callable[[Window, Staging], list[dict[str, Any]]]
"""Extracts a window of the export into parts (``odp.core.extract.extract``)."""


def compare(
    export: Export, settings: Settings, ledger: Ledger, client: OdpClient, read: Read, staging: Staging, seed: str
) -> dict[str, Any]:
    """
    Compare an export's whole source with what ODP has acknowledged, and a sample of it with what ODP holds.

    :param export: what is compared.
    :param settings: the team's settings.
    :param ledger: its ledger.
    :param client: the account; reads need its private key.
    :param read: reads a window of the source.
    :param staging: a folder; at the end it holds what Repair and Deactivate need.
    :param seed: decides which records are in the sample.
    :return: counts by verdict, examples by key, what the sample showed, and the coverage by earlier runs.
    """
    coverage = read_coverage(ledger)
    comparison = _Comparison(export, settings, ledger, Sample(settings.consistency_sample, seed))
    columns = comparison.read_source(read, staging)
    since = coverage.complete_until if settings.window_mode == "since_last_success" else coverage.covered_until
    if since:
        comparison.read_recent(read, staging, Window(since, None))
    counts = comparison.settle()
    sample = comparison.read_sample_back(client)
    # Events that ODP lost are not sent again.
    lost = [] if export.family == "events" else sample.not_visible
    comparison.differences.stage(staging, [(r.entity_id, r.record_key, r.key_hash) for r in lost])
    return {
        "export": export.dag_id,
        **counts,
        "sample": sample.summary,
        "to_repair": counts["missing"] + counts["changed"] + counts["pending"] + len(lost),
        "can_deactivate": can_deactivate(export.contract_for(settings), columns),
        "covered_until": coverage.covered_until and coverage.covered_until.isoformat(),
        "gaps": [[gap.start_text, gap.end_text] for gap in coverage.gaps],
    }


class _Comparison:
    """One comparison, from reading the source to the verdicts; all of it in one thread."""

    def __init__(self, export: Export, settings: Settings, ledger: Ledger, sample: Sample) -> None:
        self._export = export
        self._settings = settings
        self._ledger = ledger
        self._sample = sample
        self._rows = Counter(source_rows=0, skipped=0, rejected=0)
        self.differences = Differences(ledger)

    def read_source(self, read: Read, staging: Staging) -> list[str]:
        """Read the whole source, compare it row by row, and return the names of its columns."""
        parts = read(Window(), staging)
        transformer, custom = self._transformer(staging)
        detector = ChangeDetector(self._export, transformer, self._ledger, resend=False)
        for part in parts:
            self._read_part(part, staging, transformer, detector, custom.of_part(part, staging) if custom else None)
        return [name for name, _ in staging.read_json(MANIFEST)["columns"]]

    def read_recent(self, read: Read, staging: Staging, since: Window) -> None:
        """Note what the next run of the export reads anyway."""
        parts = read(since, staging)
        transformer, _ = self._transformer(staging)

        def note(texts: pl.DataFrame) -> pl.Series:
            self.differences.add_recent(texts["key_hash"].drop_nulls())
            return pl.repeat(False, texts.height, dtype=pl.Boolean, eager=True)

        for part in parts:
            for _ in _outcomes(part, staging, transformer, note, None):
                pass

    def settle(self) -> dict[str, Any]:
        """Come to the verdicts."""
        self.differences.settle()
        found = Counter(self.differences.counts())
        differing = sum(found[verdict] for verdict in ("missing", "changed", "pending", "rejected", "uncertain"))
        return {
            "source_rows": self._rows["source_rows"],
            "same": self._rows["source_rows"] - self._rows["skipped"] - self._rows["rejected"] - differing,
            "missing": found["missing"],
            "changed": found["changed"],
            "pending": found["pending"],
            "rejected": self._rows["rejected"] + found["rejected"],
            "uncertain": found["uncertain"],
            "skipped": self._rows["skipped"],
            "deleted": found["deleted"],
            "extra": found["extra"],
            "deactivated": found["deactivated"],
            "known": self.differences.known(),
            "examples": {
                verdict: [label(key, entity) for key, entity in self.differences.examples(verdict, EXAMPLES)]
                for verdict in ("missing", "changed", "deleted", "extra")
                if found[verdict]
            },
        }

    def read_sample_back(self, client: OdpClient) -> SampleResult:
        """Compare the sample with what ODP holds."""
        delay = timedelta(minutes=self._settings.visibility_delay_minutes)
        return read_sample_back(
            client, self._export, self._sample.records(), lambda hashes: self.differences.delivered_before(hashes, delay)
        )

    def _transformer(self, staging: Staging) -> tuple[Transformer, CustomValues | None]:
        manifest = staging.read_json(MANIFEST)
        contract, columns = run_contract(self._export, self._settings, manifest)
        transformer = Transformer(contract, self._export.family, columns, manifest.get("actions"))
        return transformer, custom_values(self._export, contract, columns, manifest)

    def _read_part(
        self,
        part: dict[str, Any],
        staging: Staging,
        transformer: Transformer,
        detector: ChangeDetector,
        add_custom: Merge | None,
    ) -> None:
        number = part["part"]

        def choose(texts: pl.DataFrame) -> pl.Series:
            self.differences.add_seen(texts["key_hash"].drop_nulls(), number, is_sent=True)
            changed = detector.changed(texts)
            return changed | self._sample.choose(texts, ~changed)

        for chunk, outcome in _outcomes(part, staging, transformer, choose, add_custom):
            self.differences.add_seen(transformer.skipped_keys(chunk), number, is_sent=False)
            self._rows.update(source_rows=outcome.rows, skipped=sum(outcome.skipped.values()), rejected=len(outcome.rejects))
            sampled = self._sample.keep(outcome, transformer)
            self.differences.add_differing(self._verdicts(outcome.records.filter(~sampled)), number)

    def _verdicts(self, records: pl.DataFrame) -> pl.DataFrame:
        known = self._ledger.acknowledged(records["key_hash"])["key_hash"]
        verdict = pl.when(pl.col("key_hash").is_in(known.implode())).then(pl.lit("changed")).otherwise(pl.lit("missing"))
        if self._export.family == "events":
            claims = EventClaims(self._ledger).find(records[KEY].to_list())
            is_claimed = pl.col(KEY).is_in([key for key, _ in claims])
            is_open = pl.col(KEY).is_in([key for (key, _), claim in claims.items() if claim.state != "delivered"])
            verdict = pl.when(is_open).then(pl.lit("uncertain")).when(is_claimed).then(pl.lit("changed")).otherwise(verdict)
        return records.select("key_hash", KEY, ENTITY, verdict.alias("verdict"))


def _outcomes(
    part: dict[str, Any], staging: Staging, transformer: Transformer, choose: Choose, add_custom: Merge | None
) -> Iterator[tuple[bytes, Outcome]]:
    """Yield a part's chunks and what became of them."""
    with staging.read(part["file"]) as file:
        superseded = transformer.superseded_rows(read_frames(file))
    if len(superseded) != part["rows"]:
        raise StagingError(
            f"Staged part {part['file']} holds {len(superseded)} rows where {part['rows']} were extracted. Clear the task."
        )
    offset = 0
    with staging.read(part["file"]) as file:
        for chunk in read_frames(file):
            outcome = transformer.transform(chunk, superseded, offset, choose, add_custom)
            offset += outcome.rows
            yield chunk, outcome
