"""What a comparison found, in words, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from odp.core.exceptions import DifferencesError


def outcome_of(
    compared: Mapping[str, Any] | None,
    repaired: Mapping[str, Any] | None,
    deactivated: Mapping[str, int] | None,
    *,
    repairs: bool,
) -> dict[str, Any] | None:
    """
    Put together what was found in an export and what was done about it.

    :param compared: what the comparison returned; ``None`` if it failed.
    :param repaired: the summary of the repair; ``None`` if there was none, or it failed.
    :param deactivated: how many records were marked; ``None`` if none was.
    :param repairs: whether the run was to repair.
    :return: the comparison's result with ``repaired``, ``deactivated_now``, ``remaining`` (differences that are still there) and
        ``repair_failed``; ``None`` if there is no comparison.
    """
    if compared is None:
        return None
    failed = repairs and compared["to_repair"] > 0 and repaired is None
    found = compared["missing"] + compared["changed"] + compared["sample"]["not_visible"]
    return {
        **compared,
        "repaired": repaired["delivered"] if repaired else 0,
        "deactivated_now": deactivated["deactivated"] if deactivated else 0,
        "remaining": found + compared["pending"] - compared["to_repair"] if repaired else found,
        "repair_failed": failed,
    }


def sentences(result: Mapping[str, Any]) -> Iterator[str]:
    """
    Say what was found in an export.

    :param result: what a comparison returned, with or without what was done about it.
    """
    name, sample, examples = result["export"], result["sample"], result["examples"]
    fates = ("same", "missing", "changed", "pending", "rejected", "uncertain", "skipped")
    yield f"{name}: {result['source_rows']} rows = " + " + ".join(f"{result[fate]} {fate}" for fate in fates)
    if result["pending"]:
        yield f"{name}: the {result['pending']} pending were modified after {result['covered_until']}; its next run sends them"
    for verdict, meaning in (
        ("missing", "never acknowledged by ODP"),
        ("changed", "acknowledged by ODP with other content"),
        ("deleted", "acknowledged by ODP, and no longer in the source"),
        ("extra", "acknowledged by ODP, and skipped by the export now"),
    ):
        if result[verdict]:
            yield f"{name}: {result[verdict]} {verdict} ({meaning}), such as {', '.join(examples[verdict])}"
    if result["deactivated"]:
        yield f"{name}: {result['deactivated']} deleted before and marked as not active in ODP"
    if sample["note"]:
        yield f"{name}: ODP could not be asked for the sample: {sample['note']}"
    elif sample["checked"]:
        yield (
            f"{name}: {sample['checked']} records read back from ODP: {sample['same']} as sent, "
            f"{sample['not_visible']} not there, {sample['different']} with other values"
        )
        yield from (f"{name}: {example}" for example in sample["examples"])
    for start, end in result["gaps"]:
        yield f"{name}: no run covers what was modified from {start} to {end}; trigger it with these as StartDate and EndDate"
    if result.get("repaired"):
        yield f"{name}: {result['repaired']} sent by Repair"
    if result.get("deactivated_now"):
        yield f"{name}: {result['deactivated_now']} marked as not active"


def judge(results: Mapping[str, Mapping[str, Any] | None], max_ratio: float) -> None:
    """
    Fail if differences remain.

    :param results: by export what :func:`outcome_of` returned.
    :param max_ratio: share of a source's rows that may be missing or changed.
    :raises DifferencesError: naming the exports and what to do.
    """
    problems = []
    for name, result in results.items():
        if result is None:
            problems.append(f"{name} could not be compared: see its task compare")
        elif result["repair_failed"]:
            problems.append(f"{name} could not be repaired: see its tasks")
        elif result["remaining"] > max_ratio * max(result["source_rows"], 1):
            lost, checked = result["sample"]["not_visible"], result["sample"]["checked"]
            problems.append(
                f"{name}: {result['missing']} missing, {result['changed']} changed"
                + (f", {lost} of {checked} read back are not in ODP" if lost else "")
                + (f"; {result['repaired']} were sent by Repair" if result["repaired"] else "")
            )
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise DifferencesError(
            f"ODP is not what Commerce is (max_difference_ratio is {max_ratio:g}):\n{lines}\n"
            "The examples are in the log above and in the task's result. Trigger odp_consistency with Repair to send what is "
            "missing or changed, or set consistency_repair in odp_settings."
        )
