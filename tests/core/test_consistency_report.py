"""What a comparison found, in words, and the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from odp.core.consistency_report import judge, outcome_of, sentences
from odp.core.exceptions import DifferencesError


def compared(**found: Any) -> dict[str, Any]:
    """Return what a comparison of a hundred rows returned."""
    counts = dict.fromkeys(("missing", "changed", "pending", "rejected", "uncertain", "skipped"), 0)
    others = dict.fromkeys(("deleted", "extra", "deactivated", "to_repair"), 0)
    sample = {"checked": 0, "same": 0, "not_visible": 0, "different": 0, "examples": [], "note": ""}
    result = {
        "export": "product_odp_export",
        "source_rows": 100,
        "same": 100,
        **counts,
        **others,
        "known": 100,
        "examples": {},
        "sample": sample | found.pop("sample", {}),
        "can_deactivate": True,
        "covered_until": "2026-11-01T00:00:00+00:00",
        "gaps": [],
    }
    return result | found


def words(**found: Any) -> str:
    return "\n".join(sentences(compared(**found)))


def test_a_sound_export_is_one_sentence() -> None:
    assert words() == (
        "product_odp_export: 100 rows = 100 same + 0 missing + 0 changed + 0 pending + 0 rejected + 0 uncertain + 0 skipped"
    )


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"missing": 2, "examples": {"missing": ["a", "b"]}}, "2 missing (never acknowledged by ODP), such as a, b"),
        ({"changed": 1, "examples": {"changed": ["a"]}}, "1 changed (acknowledged by ODP with other content), such as a"),
        (
            {"deleted": 1, "examples": {"deleted": ["a"]}},
            "1 deleted (acknowledged by ODP, and no longer in the source), such",
        ),
        ({"extra": 1, "examples": {"extra": ["a"]}}, "1 extra (acknowledged by ODP, and skipped by the export now), such as a"),
        ({"deactivated": 3}, "3 deleted before and marked as not active in ODP"),
        ({"pending": 4}, "the 4 pending were modified after 2026-11-01T00:00:00+00:00; its next run sends them"),
        ({"sample": {"checked": 9, "same": 7, "not_visible": 2}}, "9 records read back from ODP: 7 as sent, 2 not there, 0 with"),
        ({"sample": {"checked": 1, "different": 1, "examples": ["a: other name"]}}, "product_odp_export: a: other name"),
        ({"sample": {"note": "ODP answered 403"}}, "ODP could not be asked for the sample: ODP answered 403"),
        ({"gaps": [["2026-10-01", "2026-10-02"]]}, "no run covers what was modified from 2026-10-01 to 2026-10-02; trigger it"),
        ({"repaired": 5}, "5 sent by Repair"),
        ({"deactivated_now": 6}, "6 marked as not active"),
    ],
)
def test_what_was_found_is_said(found: dict[str, Any], sentence: str) -> None:
    assert sentence in words(**found)


class TestVerdict:
    def result(self, repaired: Any = None, *, repairs: bool = False, **found: Any) -> Any:
        return {"product_odp_export": outcome_of(compared(**found), repaired, None, repairs=repairs)}

    def test_nothing_found(self) -> None:
        judge(self.result(), 0.0)

    @pytest.mark.parametrize(
        "found",
        [
            {"missing": 1, "to_repair": 1},
            {"changed": 1, "to_repair": 1},
            {"sample": {"checked": 9, "not_visible": 1}, "to_repair": 1},
        ],
        ids=["missing", "changed", "not there"],
    )
    def test_differences_fail_it_unless_repaired(self, found: dict[str, Any]) -> None:
        with pytest.raises(DifferencesError, match="Trigger odp_consistency with Repair"):
            judge(self.result(**found), 0.0)
        judge(self.result({"delivered": 1}, repairs=True, **found), 0.0)

    @pytest.mark.parametrize(
        "found",
        [
            {"pending": 9},
            {"rejected": 9},
            {"uncertain": 9},
            {"deleted": 9, "examples": {"deleted": ["a"]}},
            {"extra": 9},
            {"sample": {"checked": 9, "different": 9}},
            {"gaps": [["a", "b"]]},
        ],
        ids=lambda found: next(iter(found)),
    )
    def test_what_repair_cannot_mend_is_only_reported(self, found: dict[str, Any]) -> None:
        judge(self.result(**found), 0.0)

    def test_events_that_odp_lost_remain_after_a_repair(self) -> None:
        found = {"missing": 1, "to_repair": 1, "sample": {"checked": 9, "not_visible": 1}}
        with pytest.raises(DifferencesError, match="1 of 9 read back are not in ODP; 1 were sent by Repair"):
            judge(self.result({"delivered": 1}, repairs=True, **found), 0.0)

    def test_a_repair_that_failed(self) -> None:
        with pytest.raises(DifferencesError, match="product_odp_export could not be repaired"):
            judge(self.result(None, repairs=True, missing=1, to_repair=1), 1.0)

    def test_a_comparison_that_failed(self) -> None:
        with pytest.raises(DifferencesError, match="product_odp_export could not be compared"):
            judge({"product_odp_export": outcome_of(None, None, None, repairs=False)}, 1.0)

    @pytest.mark.parametrize(("changed", "fails"), [(5, False), (6, True)])
    def test_a_share_may_differ(self, changed: int, fails: bool) -> None:
        if not fails:
            return judge(self.result(changed=changed), 0.05)
        with pytest.raises(DifferencesError, match=r"max_difference_ratio is 0\.05"):
            judge(self.result(changed=changed), 0.05)
        return None

    def test_what_was_done_is_part_of_the_result(self) -> None:
        result = outcome_of(compared(missing=3, to_repair=3, deleted=2), {"delivered": 3}, {"deactivated": 2}, repairs=True)
        assert result is not None
        assert (result["repaired"], result["deactivated_now"], result["remaining"]) == (3, 2, 0)
