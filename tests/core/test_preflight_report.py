"""The report: the worst first, what could not work, for people and for programs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from odp.core.exceptions import ReplicaError
from odp.core.exports import ORDERS, PRODUCTS
from odp.core.preflight_report import ALL_EXPORTS, Finding, Report, failure_of


def finding(verdict: Any, *exports: str, **more: Any) -> Finding:
    return Finding(area="replica", subject="tables", verdict=verdict, cause=f"It is {verdict}.", exports=exports, **more)


def test_an_empty_report_is_well() -> None:
    assert (Report([]).verdict, Report([]).impossible_exports) == ("ok", [])


@pytest.mark.parametrize(
    ("verdicts", "worst"), [("ok", "ok"), ("ok warning ok", "warning"), ("warning failure ok", "failure"), ("failure", "failure")]
)
def test_the_worst_verdict_counts(verdicts: str, worst: str) -> None:
    assert Report(finding(verdict) for verdict in verdicts.split()).verdict == worst


def test_only_failures_make_an_export_impossible_in_the_order_of_a_first_load() -> None:
    report = Report([finding("failure", ORDERS.dag_id), finding("warning", *ALL_EXPORTS), finding("failure", PRODUCTS.dag_id)])
    assert report.impossible_exports == [PRODUCTS.dag_id, ORDERS.dag_id]


def test_the_text_has_the_worst_first_with_remedies_and_exports() -> None:
    report = Report([finding("ok"), finding("failure", ORDERS.dag_id, remedy="Mend it."), finding("warning", *ALL_EXPORTS)])
    assert report.as_text().splitlines() == [
        "Failures: 1, warnings: 1, passed: 1. Could not work: order_odp_export.",
        "",
        "FAILURE  replica: tables (order_odp_export): It is failure.",
        "      -> Mend it.",
        "WARNING  replica: tables: It is warning.",
        "OK       replica: tables: It is ok.",
    ]


def test_the_text_is_broken_into_lines_and_nothing_is_lost() -> None:
    words = [f"word-{number}" for number in range(100)]
    lines = Report([finding("failure", remedy=" ".join(words))]).as_text().splitlines()[3:]
    assert max(map(len, lines)) <= 110
    assert " ".join(lines).split() == ["->", *words]
    assert all(line.startswith("         word") for line in lines[1:])


def test_the_dictionary_is_json_with_verdict_cause_and_remedy_per_line() -> None:
    report = Report([finding("ok"), finding("failure", ORDERS.dag_id, remedy="Mend it.", details={"rows": 3})])
    content = json.loads(json.dumps(report.as_dict()))
    assert (content["verdict"], content["counts"]) == ("failure", {"failure": 1, "warning": 0, "ok": 1})
    assert content["impossible_exports"] == [ORDERS.dag_id]
    assert content["findings"][0] == {
        "area": "replica",
        "subject": "tables",
        "verdict": "failure",
        "cause": "It is failure.",
        "remedy": "Mend it.",
        "exports": [ORDERS.dag_id],
        "details": {"rows": 3},
    }


def test_an_error_becomes_cause_and_remedy() -> None:
    made = failure_of(ReplicaError("It lacks Product.", "Add it."), "replica", "tables", (PRODUCTS.dag_id,))
    assert (made.cause, made.remedy, made.verdict) == ("It lacks Product.", "Add it.", "failure")
    made = failure_of(ValueError("no\n"), "replica", "tables", (), "warning")
    assert (made.cause, made.remedy, made.verdict) == ("no", "", "warning")
