"""What a preflight finds: one finding per line, each with a verdict, a cause and a remedy."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from odp.core.exceptions import OdpExportError
from odp.core.exports import EXPORTS

Verdict = Literal["ok", "warning", "failure"]

VERDICTS: tuple[Verdict, ...] = ("failure", "warning", "ok")
"""Worst first."""

_LINE_WIDTH = 110

ALL_EXPORTS = tuple(export.dag_id for export in EXPORTS)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """
    One line of the report. It holds no personal data.

    :param area: ``replica``, ``e-mail``, ``orders``, ``ledger``, ``ODP``, ``schema``, ``settings``, ``accounts`` or ``Airflow``;
        with several accounts, followed by the account it is about.
    :param subject: what was checked.
    :param verdict: ``failure`` if an export could not work, ``warning`` if a person should know, else ``ok``.
    :param cause: what was found.
    :param remedy: what to do about it.
    :param exports: ids of the exports it concerns; those of a failure could not work.
    :param details: figures behind it.
    """

    area: str
    subject: str
    verdict: Verdict
    cause: str
    remedy: str = ""
    exports: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        """What was found, where."""
        about = f" ({', '.join(self.exports)})" if self.exports and len(self.exports) < len(ALL_EXPORTS) else ""
        return f"{self.area}: {self.subject}{about}: {self.cause}"

    @property
    def text(self) -> str:
        """What was found, where, and what to do about it."""
        return f"{self.statement} {self.remedy}".rstrip()


def failure_of(
    error: Exception, area: str, subject: str, exports: Sequence[str] = ALL_EXPORTS, verdict: Verdict = "failure"
) -> Finding:
    """
    Turn an error into a finding.

    :param error: what a check met.
    :param area: as in :class:`Finding`.
    :param subject: as in :class:`Finding`.
    :param exports: as in :class:`Finding`.
    :param verdict: as in :class:`Finding`.
    """
    cause, remedy = (error.cause, error.remedy) if isinstance(error, OdpExportError) else (str(error).strip(), "")
    return Finding(area=area, subject=subject, verdict=verdict, cause=cause, remedy=remedy, exports=exports)


class Report:
    """
    All findings of a preflight.

    :param findings: in the order in which they were made.
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)

    @property
    def counts(self) -> dict[str, int]:
        """Number of findings by verdict, worst first."""
        counts = Counter(finding.verdict for finding in self.findings)
        return {verdict: counts[verdict] for verdict in VERDICTS}

    @property
    def verdict(self) -> Verdict:
        """The worst verdict."""
        return next((verdict for verdict in VERDICTS if self.counts[verdict]), "ok")

    @property
    def impossible_exports(self) -> list[str]:
        """Ids of the exports that could not work, in the order of a first load."""
        failed = {export for finding in self.findings if finding.verdict == "failure" for export in finding.exports}
        return [export for export in ALL_EXPORTS if export in failed]

    @property
    def headline(self) -> str:
        """The report in a sentence."""
        counts = self.counts
        words = f"Failures: {counts['failure']}, warnings: {counts['warning']}, passed: {counts['ok']}"
        return words + (f". Could not work: {', '.join(self.impossible_exports)}" if self.impossible_exports else "") + "."

    def worst_first(self) -> list[Finding]:
        """Return the findings, failures first and otherwise in their order."""
        return sorted(self.findings, key=lambda finding: VERDICTS.index(finding.verdict))

    def as_text(self) -> str:
        """Return the report for people, worst first."""
        lines = [self.headline, ""]
        for finding in self.worst_first():
            lines += _wrapped(finding.statement, f"{finding.verdict.upper():8} ")
            lines += _wrapped(finding.remedy, "      -> ")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for programs."""
        return {
            "verdict": self.verdict,
            "counts": self.counts,
            "impossible_exports": self.impossible_exports,
            "findings": [
                {
                    "area": finding.area,
                    "subject": finding.subject,
                    "verdict": finding.verdict,
                    "cause": finding.cause,
                    "remedy": finding.remedy,
                    "exports": list(finding.exports),
                    "details": dict(finding.details),
                }
                for finding in self.worst_first()
            ],
        }


def _wrapped(text: str, begin: str) -> list[str]:
    """Break a text into lines that fit Airflow's UI, which does not; names and addresses stay whole."""
    return textwrap.wrap(
        text,
        _LINE_WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )
