"""Every extracted row has exactly one fate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from odp.core.accounting import (
    FATES,
    check_counts,
    check_rejects,
    examples,
    kept_rejects,
    settled_rows,
    staged_rejects,
    summarise,
)
from odp.core.exceptions import AccountingError, CannotSucceedError, StagingError, TooManyRejectsError
from odp.core.run_history import KeptReject
from odp.core.staging import LineWriter, Staging

MANIFEST = {
    "export": "order_odp_export",
    "window": ["-infinity", "infinity"],
    "rows": 100,
    "absent": ["Brand"],
    "retried": ["e-1", "e-2"],
}


def transformed(**counts: Any) -> dict[str, Any]:
    nothing = {"skipped": {}, "statuses": [], "unchanged": 0, "rejected": 0, "uncertain": 0, "cut": 0, "rejects": "rejects-0"}
    return nothing | counts


def loaded(**counts: Any) -> dict[str, Any]:
    return {"delivered": 0, "unchanged": 0, "rejected": 0, "uncertain": 0, "not_sent": 0, "rejects": "rejects-odp-0"} | counts


def summary_of(**counts: Any) -> dict[str, Any]:
    return dict.fromkeys(FATES, 0) | {"export": "product_odp_export", "extracted": 100} | counts


class TestSummarise:
    def test_the_counts_of_all_parts_and_stages_are_added_up(self) -> None:
        summary = summarise(
            MANIFEST,
            [
                transformed(skipped={"guest": 2, "status Saved is not sent": 5}, unchanged=10, rejected=1, cut=3, rejects="r-0"),
                transformed(skipped={"guest": 3}, unchanged=1, uncertain=2, cut=4, rejects="r-1"),
                transformed(rejects="r-2"),
            ],
            [loaded(rejected=2, unchanged=1, not_sent=4, rejects="o-0"), loaded(uncertain=1, rejects="o-1"), loaded()],
            delivered=68,
        )
        assert summary == {
            "export": "order_odp_export",
            "window": ["-infinity", "infinity"],
            "extracted": 100,
            "delivered": 68,
            "unchanged": 12,
            "skipped": 10,
            "rejected": 3,
            "uncertain": 3,
            "not_sent": 4,
            "retried": 2,
            "skipped_by_reason": {"guest": 5, "status Saved is not sent": 5},
            "order_statuses": [],
            "cut_texts": 7,
            "absent": ["Brand"],
            "files": 0,
            "file_examples": [],
            "reject_files": ["r-0", "r-1", "o-0", "o-1"],
        }
        check_counts(summary)

    def test_statuses_of_all_parts_are_merged_most_frequent_first(self) -> None:
        parts = [
            transformed(statuses=[["Saved", "not sent", 3], ["Submitted", "purchase", 2]]),
            transformed(statuses=[["Submitted", "purchase", 4], ["Void", "cancel", 1]]),
        ]
        summary = summarise(MANIFEST, parts, [], delivered=0)
        assert summary["order_statuses"] == [["Submitted", "purchase", 6], ["Saved", "not sent", 3], ["Void", "cancel", 1]]

    def test_a_run_without_parts_has_counts_of_nothing(self) -> None:
        summary = summarise(MANIFEST | {"rows": 0, "retried": []}, [], [], delivered=0)
        assert {name: summary[name] for name in FATES} == dict.fromkeys(FATES, 0)
        assert summary["reject_files"] == []
        check_counts(summary)

    def test_the_parts_may_come_from_iterators(self) -> None:
        summary = summarise(MANIFEST, iter([transformed(rejected=1)]), iter([loaded(not_sent=1)]), delivered=0)
        assert (summary["rejected"], summary["not_sent"], len(summary["reject_files"])) == (1, 1, 1)


def test_rows_that_end_without_being_delivered() -> None:
    part = transformed(unchanged=1, skipped={"guest": 2, "cart": 3}, rejected=4, uncertain=5)
    assert settled_rows(part) == 15
    assert settled_rows(part, loaded(delivered=99, rejected=1, unchanged=2, uncertain=3, not_sent=4)) == 25


class TestCounts:
    @pytest.mark.parametrize("fate", FATES)
    def test_each_fate_counts(self, fate: str) -> None:
        check_counts(summary_of(**{fate: 100}))

    @pytest.mark.parametrize("fate", FATES)
    @pytest.mark.parametrize("count", [99, 101])
    def test_a_row_missing_or_counted_twice_is_an_error_with_the_sum(self, fate: str, count: int) -> None:
        with pytest.raises(AccountingError) as error:
            check_counts(summary_of(**{fate: count}))
        for words in (
            "product_odp_export do not add up",
            "100 rows extracted",
            f"{count} {fate.replace('_', ' ')}",
            f"= {count}.",
        ):
            assert words in str(error.value)
        assert isinstance(error.value, CannotSucceedError)


class TestRejects:
    @pytest.fixture
    def staging(self, tmp_path: Path) -> Staging:
        staging = Staging(tmp_path, "dag", "run")
        lines = {
            "rejects": [
                {"entity_id": f"e-{n}", "key": f"k-{n}", "reason": "price must be a number", "row": {"n": n}} for n in range(8)
            ]
            + [{"entity_id": "e-u", "key": "k-u", "reason": "on its way", "uncertain": True}],
            "rejects-odp": [
                {"entity_id": f"o-{n}", "key": f"q-{n}", "reason": "Missing field\nof it", "row": {"n": n}, "odp": True}
                for n in range(8)
            ],
        }
        for name, entries in lines.items():
            with staging.write(name) as file, LineWriter(file) as writer:
                for entry in entries:
                    writer.write(orjson.dumps(entry))
        return staging

    SUMMARY = {"reject_files": ["rejects", "rejects-odp"]}

    def test_all_of_a_run_are_read(self, staging: Staging) -> None:
        assert len(list(staged_rejects(staging, self.SUMMARY))) == 17

    def test_the_first_ten_are_named_without_the_uncertain_ones(self, staging: Staging) -> None:
        lines = examples(staging, self.SUMMARY, uncertain=False)
        assert lines == [f"k-{n}: price must be a number" for n in range(8)] + [f"q-{n}: Missing field\nof it" for n in range(2)]

    def test_uncertain_ones_are_named_apart(self, staging: Staging) -> None:
        assert examples(staging, self.SUMMARY, uncertain=True) == ["k-u: on its way"]

    def test_the_ledger_keeps_who_refused(self, staging: Staging) -> None:
        kept = list(kept_rejects(staging, self.SUMMARY))
        assert kept[0] == KeptReject("e-0", "k-0", "price must be a number", {"n": 0}, None)
        assert kept[8] == KeptReject("e-u", "k-u", "on its way", None, None)
        assert kept[-1] == KeptReject("o-7", "q-7", "Missing field\nof it", {"n": 7}, "Missing field\nof it")

    def test_a_run_without_rejects_reads_no_file(self, tmp_path: Path) -> None:
        assert list(staged_rejects(Staging(tmp_path, "dag", "run"), {"reject_files": []})) == []

    def test_a_file_that_is_gone_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(StagingError):
            examples(Staging(tmp_path, "dag", "run"), {"reject_files": ["rejects"]}, uncertain=False)


class TestRatio:
    @pytest.mark.parametrize(
        ("rejected", "extracted", "ratio"),
        [
            (0, 0, 0.0),
            (0, 100, 0.0),
            (1, 100, 0.01),
            (29, 100, 0.29),
            (7, 10, 0.7),
            (3, 30, 0.1),
            (57, 100, 0.57),
            (100, 100, 1.0),
        ],
    )
    def test_as_many_as_the_ratio_allows_are_fine(self, rejected: int, extracted: int, ratio: float) -> None:
        check_rejects(summary_of(rejected=rejected, extracted=extracted), ratio, ["never read"])

    @pytest.mark.parametrize(
        ("rejected", "extracted", "ratio"), [(1, 1_000_000, 0.0), (2, 100, 0.01), (30, 100, 0.29), (1, 1, 0.99)]
    )
    def test_one_more_fails_the_run_naming_the_first_ones_and_the_remedy(
        self, rejected: int, extracted: int, ratio: float
    ) -> None:
        with pytest.raises(TooManyRejectsError) as error:
            check_rejects(summary_of(rejected=rejected, extracted=extracted), ratio, ["k-1: no price", "k-2: no name"])
        for words in (
            f"{rejected} of {extracted} rows of product_odp_export were rejected (max_reject_ratio is {ratio:g})",
            "  k-1: no price\n  k-2: no name\n",
            "raise max_reject_ratio in odp_settings",
        ):
            assert words in str(error.value)
        assert isinstance(error.value, CannotSucceedError)
