"""Accounting: every extracted row is delivered, unchanged, skipped or rejected, and the counts prove it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from odp.core.exceptions import AccountingError, TooManyRejectsError
from odp.core.run_history import FATES, KeptReject
from odp.core.staging import Staging, read_lines

_FILE_EXAMPLES = 20
"""Names of CSV files in a run's summary; each load task has its own in full."""


def summarise(
    manifest: dict[str, Any], transformed: Iterable[dict[str, Any]], loaded: Iterable[dict[str, Any]], *, delivered: int
) -> dict[str, Any]:
    """
    Add up a run.

    :param manifest: what extract counted.
    :param transformed: what transform counted, part by part.
    :param loaded: what load counted, part by part.
    :param delivered: what the ledger counted as acknowledged by ODP.
    :return: the run's counts, its window, skipped rows by reason, order statuses, its CSV files, and where its rejects lie.
    """
    transformed, loaded = list(transformed), list(loaded)
    skipped: Counter[str] = Counter()
    statuses: Counter[tuple[str, str]] = Counter()
    for part in transformed:
        skipped.update(part["skipped"])
        statuses.update({(status, action): count for status, action, count in part["statuses"]})
    both = (*transformed, *loaded)
    files = [name for part in loaded for name in part.get("files", ())]
    return {
        "export": manifest["export"],
        "window": manifest["window"],
        "extracted": manifest["rows"],
        "delivered": delivered,
        "unchanged": sum(part["unchanged"] for part in both),
        "skipped": sum(skipped.values()),
        "rejected": sum(part["rejected"] for part in both),
        "uncertain": sum(part["uncertain"] for part in both),
        "not_sent": sum(part["not_sent"] for part in loaded),
        "retried": len(manifest["retried"]),
        "skipped_by_reason": dict(skipped.most_common()),
        "order_statuses": [[status, action, count] for (status, action), count in statuses.most_common()],
        "cut_texts": sum(part["cut"] for part in transformed),
        "absent": manifest["absent"],
        "files": len(files),
        "file_examples": files[:_FILE_EXAMPLES],
        "reject_files": [part["rejects"] for part in both if part["rejected"] or part["uncertain"]],
    }


def settled_rows(transformed: Mapping[str, Any], loaded: Mapping[str, Any] | None = None) -> int:
    """
    Count the rows of a part that came to an end without being acknowledged by ODP.

    :param transformed: what transform counted.
    :param loaded: what load counted, once it has.
    """
    settled = transformed["unchanged"] + sum(transformed["skipped"].values()) + transformed["rejected"] + transformed["uncertain"]
    if loaded:
        settled += loaded["unchanged"] + loaded["rejected"] + loaded["uncertain"] + loaded["not_sent"]
    return int(settled)


def fates_in_words(summary: dict[str, Any]) -> str:
    """
    Return the fates of a run's rows as a sum: ``5 delivered + 2 skipped + ...``.

    :param summary: what :func:`summarise` returned.
    """
    return " + ".join(f"{summary[name]} {name.replace('_', ' ')}" for name in FATES)


def check_counts(summary: dict[str, Any]) -> None:
    """
    Prove that each extracted row has exactly one fate.

    The sides come from different places: extracted from extract's count, delivered from the ledger's.

    :param summary: what :func:`summarise` returned.
    :raises AccountingError: if a row is missing or counted twice.
    """
    total = sum(summary[name] for name in FATES)
    if total != summary["extracted"]:
        raise AccountingError(
            f"The counts of {summary['export']} do not add up: {summary['extracted']} rows extracted, but "
            f"{fates_in_words(summary)} = {total}. "
            "Clear the run's tasks to repeat it, and report this: it is a defect of the export."
        )


def staged_rejects(staging: Staging, summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """
    Read the rejects of a run, uncertain ones included.

    :param staging: the run's folder.
    :param summary: what :func:`summarise` returned.
    """
    for name in summary["reject_files"]:
        with staging.read(name) as file:
            yield from map(orjson.loads, read_lines(file))


def kept_rejects(staging: Staging, summary: dict[str, Any]) -> Iterator[KeptReject]:
    """
    Read the rejects of a run as the ledger keeps them.

    :param staging: the run's folder.
    :param summary: what :func:`summarise` returned.
    """
    for line in staged_rejects(staging, summary):
        reason = line["reason"]
        yield KeptReject(line["entity_id"], line["key"], reason, line.get("row"), reason if line.get("odp") else None)


def examples(staging: Staging, summary: dict[str, Any], *, uncertain: bool) -> list[str]:
    """
    Name the first ten rejected, or the first ten uncertain, rows of a run.

    :param staging: the run's folder.
    :param summary: what :func:`summarise` returned.
    :param uncertain: which of the two.
    :return: ``key: reason`` for each.
    """
    lines = (line for line in staged_rejects(staging, summary) if bool(line.get("uncertain")) is uncertain)
    return [f"{line['key']}: {line['reason']}" for line in itertools.islice(lines, 10)]


def check_rejects(summary: dict[str, Any], max_reject_ratio: float, first: Iterable[str]) -> None:
    """
    Fail a run with too many rejects, after everything good was delivered.

    :param summary: what :func:`summarise` returned.
    :param max_reject_ratio: share of the extracted rows that may be rejected.
    :param first: the first rejects, for the message.
    :raises TooManyRejectsError: naming the first ten.
    """
    rejected, extracted = summary["rejected"], summary["extracted"]
    if rejected and rejected / max(extracted, 1) > max_reject_ratio:
        lines = "\n".join(f"  {line}" for line in first)
        raise TooManyRejectsError(
            f"{rejected} of {extracted} rows of {summary['export']} were rejected (max_reject_ratio is {max_reject_ratio:g}); "
            f"the other rows were dealt with. The first:\n{lines}\n"
            "Correct them in Commerce: the next run tries them again. Or raise max_reject_ratio in odp_settings."
        )
