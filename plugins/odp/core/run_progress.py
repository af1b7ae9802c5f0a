"""How far a run has come: written down stage by stage, and measured while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from odp.core.ledger import Ledger
from odp.core.run_overview import Run

_SAMPLE_SECONDS = 10.0
"""The rate is measured over about this time: short enough to be current, long enough not to jump."""


def count_extracted(ledger: Ledger, run_id: str, parts: Sequence[Mapping[str, Any]]) -> None:
    """
    Write down how many rows a run extracted, so that its progress can be followed.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param parts: its parts, as extract returned them.
    """
    values = {**ledger.scope, "run_id": run_id, "parts": [p["part"] for p in parts], "rows": [p["rows"] for p in parts]}
    with ledger.connection.transaction():
        ledger.connection.execute(
            "UPDATE export_run SET extracted = (SELECT coalesce(sum(n), 0) FROM unnest(%(rows)s::bigint[]) AS n)"
            " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s",
            values,
        )
        ledger.connection.execute(
            "INSERT INTO run_part (account, export, run_id, part, extracted)"
            " SELECT %(account)s, %(export)s, %(run_id)s, part, n"
            " FROM unnest(%(parts)s::integer[], %(rows)s::bigint[]) AS p(part, n)"
            " ON CONFLICT (account, export, run_id, part) DO UPDATE SET extracted = excluded.extracted",
            values,
        )


def count_settled(ledger: Ledger, run_id: str, part: int, rows: int) -> None:
    """
    Write down how many rows of a part came to an end without being acknowledged by ODP: unchanged, skipped, rejected and so on.

    :param ledger: the export's ledger.
    :param run_id: the run.
    :param part: its part.
    :param rows: the number so far, which replaces an earlier one.
    """
    ledger.connection.execute(
        "UPDATE run_part SET settled = %(rows)s"
        " WHERE account = %(account)s AND export = %(export)s AND run_id = %(run_id)s AND part = %(part)s",
        {**ledger.scope, "run_id": run_id, "part": part, "rows": rows},
    )


@dataclass(frozen=True)
class Sample:
    """
    What a run had delivered at some time.

    :param run_id: the run.
    :param at: the ledger's time then, in epoch seconds.
    :param delivered: rows that were delivered then.
    """

    run_id: str
    at: float
    delivered: int

    @classmethod
    def of(cls, run: Run) -> Sample:
        """Take a sample now."""
        return cls(run.run_id, run.seen_at.timestamp(), run.delivered)

    @classmethod
    def from_text(cls, text: str) -> Sample | None:
        """
        Read a sample back; ``None`` from anything that is none.

        :param text: as :meth:`__str__` wrote it.
        """
        try:
            at, delivered, run_id = text.split(" ", 2)
            return cls(run_id, float(at), int(delivered))
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.at:.3f} {self.delivered} {self.run_id}"


@dataclass(frozen=True)
class Progress:
    """
    How a running run is doing.

    :param rate: rows delivered a second, of late.
    :param seconds_left: estimate of the time that is left; ``None`` unless records are being delivered.
    :param sample: what to measure the rate from, the next time.
    """

    rate: float
    seconds_left: float | None
    sample: Sample


def measure_progress(run: Run, samples: list[Sample]) -> Progress:
    """
    Measure a running run against what it had delivered a moment ago.

    :param run: the run.
    :param samples: samples of it or of other runs; without one of it the rate is that since it began.
    """
    sample = next((sample for sample in samples if sample.run_id == run.run_id and sample.delivered <= run.delivered), None)
    began: datetime = run.started_at
    since, before = (sample.at, sample.delivered) if sample else (began.timestamp(), 0)
    seconds = run.seen_at.timestamp() - since
    rate = (run.delivered - before) / seconds if seconds > 0 else 0.0
    left = (run.extracted - run.accounted) / rate if rate > 0 and run.stage == "sending" else None
    return Progress(rate, left, sample if sample and seconds < _SAMPLE_SECONDS else Sample.of(run))
