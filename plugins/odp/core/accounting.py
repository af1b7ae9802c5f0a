"""Accounting: every extracted row is delivered, unchanged, skipped or rejected, and the counts prove it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from odp.core.exceptions import AccountingError, TooManyRejectsError
from odp.core.staging import Staging, read_lines


def summarise(
    manifest: dict[str, Any], transformed: Iterable[dict[str, Any]], loaded: Iterable[dict[str, Any]]
) -> dict[str, Any]:
    """
    Add up a run.

    :param manifest: what extract counted.
    :param transformed: what transform counted, part by part.
    :param loaded: what load counted, part by part.
    :return: the run's counts, its window, skipped rows by reason, order statuses, and where its rejects lie.
    """
    transformed, loaded = list(transformed), list(loaded)
    skipped: Counter[str] = Counter()
    for part in transformed:
        skipped.update(part["skipped"])
    statuses: Counter[tuple[str, str]] = Counter()
    for part in transformed:
        statuses.update({(status, action): count for status, action, count in part["statuses"]})
    return {
        "export": manifest["export"],
        "window": manifest["window"],
        "extracted": manifest["rows"],
        "delivered": sum(part["delivered"] for part in loaded),
        "skipped": sum(skipped.values()),
        "rejected": sum(part["rejected"] for part in (*transformed, *loaded)),
        "not_sent": sum(part["not_sent"] for part in loaded),
        "skipped_by_reason": dict(skipped.most_common()),
        "order_statuses": [[status, action, count] for (status, action), count in statuses.most_common()],
        "cut_texts": sum(part["cut"] for part in transformed),
        "absent": manifest["absent"],
        "reject_files": [part["rejects"] for part in (*transformed, *loaded) if part["rejected"]],
    }


def check_counts(summary: dict[str, Any]) -> None:
    """
    Prove that each extracted row has exactly one fate.

    :param summary: what :func:`summarise` returned.
    :raises AccountingError: if a row is missing or counted twice.
    """
    fates = {name: summary[name] for name in ("delivered", "skipped", "rejected", "not_sent")}
    if sum(fates.values()) != summary["extracted"]:
        parts = " + ".join(f"{count} {name.replace('_', ' ')}" for name, count in fates.items())
        raise AccountingError(
            f"The counts of {summary['export']} do not add up: {summary['extracted']} rows extracted, but {parts} = "
            f"{sum(fates.values())}. Clear the run's tasks to repeat it, and report this: it is a defect of the export."
        )


def first_rejects(staging: Staging, summary: dict[str, Any]) -> list[str]:
    """
    Read the first ten rejects of a run.

    :param staging: the run's folder.
    :param summary: what :func:`summarise` returned.
    :return: ``key: reason`` for each.
    """
    lines: list[str] = []
    for name in summary["reject_files"]:
        with staging.read(name) as file:
            for line in itertools.islice(read_lines(file), 10 - len(lines)):
                reject = orjson.loads(line)
                lines.append(f"{reject['key']}: {reject['reason']}")
    return lines


def check_rejects(summary: dict[str, Any], max_reject_ratio: float, examples: Iterable[str]) -> None:
    """
    Fail a run with too many rejects, after everything good was delivered.

    :param summary: what :func:`summarise` returned.
    :param max_reject_ratio: share of the extracted rows that may be rejected.
    :param examples: the first rejects, for the message.
    :raises TooManyRejectsError: naming the first ten.
    """
    rejected, extracted = summary["rejected"], summary["extracted"]
    if rejected > max_reject_ratio * extracted:
        lines = "\n".join(f"  {line}" for line in examples)
        raise TooManyRejectsError(
            f"{rejected} of {extracted} rows of {summary['export']} were rejected (max_reject_ratio is {max_reject_ratio:g}); "
            f"the other rows were dealt with. The first:\n{lines}\n"
            "Correct them in Commerce and run the export again, or raise max_reject_ratio in odp_settings."
        )
