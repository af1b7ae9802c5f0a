"""Which ODP action an order's status stands for."""

from __future__ import annotations

import itertools

import pytest

from odp.core.exceptions import CannotSucceedError, ReplicaError
from odp.core.order_status import DEFAULT_ACTIONS, fold_status, resolve_actions

DEFAULTS = {"submitted": "purchase", "punchout": "purchase", "readyforpickup": "purchase", "cancellationrequested": "cancel"}


def row(status: str | None, action: str | None, id: str = "row-1") -> dict[str, str | None]:
    return {"id": id, "erp_order_status": status, "odp_action_type": action}


class TestDefaults:
    def test_commerces_four_statuses_are_sent_without_configuration(self) -> None:
        assert DEFAULT_ACTIONS == DEFAULTS
        assert resolve_actions([], {}) == (DEFAULTS, [])

    def test_a_status_that_nothing_maps_is_not_sent(self) -> None:
        actions, _ = resolve_actions([], {})
        assert actions.get("processing") is None


class TestMappingRows:
    @pytest.mark.parametrize("word", ["Purchase", "purchase", "PURCHASE", " Purchase ", "pUrChAsE\t"])
    def test_an_action_is_read_in_any_case(self, word: str) -> None:
        assert resolve_actions([row("Processing", word)], {})[0]["processing"] == "purchase"

    @pytest.mark.parametrize("status", ["Processing", "PROCESSING", " processing "])
    def test_a_status_is_compared_in_any_case_and_trimmed(self, status: str) -> None:
        assert resolve_actions([row(status, "Cancel")], {})[0]["processing"] == "cancel"

    def test_a_row_adds_to_the_defaults(self) -> None:
        assert resolve_actions([row("Complete", "Purchase")], {})[0] == DEFAULTS | {"complete": "purchase"}

    def test_a_row_with_an_action_wins_over_a_default(self) -> None:
        assert resolve_actions([row("Submitted", "Cancel")], {})[0]["submitted"] == "cancel"

    @pytest.mark.parametrize("nothing", [None, "", "  "])
    def test_a_row_without_action_leaves_a_default_alone(self, nothing: str | None) -> None:
        actions, warnings = resolve_actions([row("Submitted", nothing), row("Shipped", nothing)], {})
        assert actions["submitted"] == "purchase"
        assert actions.get("shipped") is None
        assert warnings == []

    @pytest.mark.parametrize("nothing", [None, "", "  "])
    def test_under_strict_mapping_a_row_without_action_stops_a_default(self, nothing: str | None) -> None:
        actions, warnings = resolve_actions([row("Submitted", nothing)], {}, strict=True)
        assert actions == DEFAULTS | {"submitted": None}
        assert warnings == []

    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("status", ["Submitted", "Refunded"])
    def test_an_unknown_action_is_not_sent_and_warned_about_with_row_status_and_word(self, status: str, strict: bool) -> None:
        actions, warnings = resolve_actions([row(status, "Refund", "4711")], {}, strict=strict)
        assert actions[status.lower()] is None
        assert len(warnings) == 1
        for words in ("4711", repr(status), "'Refund'", "neither Purchase nor Cancel"):
            assert words in warnings[0]

    def test_two_rows_that_agree_are_fine(self) -> None:
        rows = [row("Complete", "Purchase", "a"), row("COMPLETE ", "purchase", "b")]
        assert resolve_actions(rows, {})[0]["complete"] == "purchase"

    @pytest.mark.parametrize("strict", [False, True])
    @pytest.mark.parametrize("other", ["", "Refund"])
    def test_a_row_with_an_action_wins_over_one_without_in_any_order(self, other: str, strict: bool) -> None:
        rows = [row("Submitted", "Purchase", "a"), row("Submitted", other, "b")]
        for order in itertools.permutations(rows):
            assert resolve_actions(order, {}, strict=strict)[0]["submitted"] == "purchase"


class TestContradictions:
    ROWS = (row("Void", "Purchase", "row-a"), row(" VOID", "cancel", "row-b"))

    @pytest.mark.parametrize("order", list(itertools.permutations(ROWS)))
    def test_both_rows_and_the_ways_out_are_named(self, order: tuple[dict[str, str | None], ...]) -> None:
        with pytest.raises(ReplicaError) as error:
            resolve_actions(order, {})
        for words in ("row-a", "row-b", "'Purchase'", "'cancel'", "Change one of them", "order_status setting"):
            assert words in str(error.value)

    def test_the_setting_decides_a_contradiction(self) -> None:
        assert resolve_actions(self.ROWS, {"void": "cancel"})[0]["void"] == "cancel"

    def test_no_retry_can_mend_it(self) -> None:
        assert issubclass(ReplicaError, CannotSucceedError)


class TestSetting:
    @pytest.mark.parametrize("status", ["Processing", "processing", " PROCESSING "])
    def test_it_wins_over_a_row_in_any_case(self, status: str) -> None:
        assert resolve_actions([row("Processing", "Cancel")], {status: "purchase"})[0]["processing"] == "purchase"

    def test_it_wins_over_a_default(self) -> None:
        assert resolve_actions([], {"Submitted": "cancel"})[0]["submitted"] == "cancel"

    def test_none_stops_a_default_and_a_row(self) -> None:
        actions, _ = resolve_actions([row("Complete", "Purchase")], {"Submitted": "none", "Complete": "none"})
        assert actions["submitted"] is None
        assert actions["complete"] is None

    def test_it_silences_the_warning_about_its_row(self) -> None:
        actions, warnings = resolve_actions([row("Refunded", "Refund")], {"refunded": "none"})
        assert warnings == []
        assert actions["refunded"] is None

    def test_it_wins_over_strict_mapping(self) -> None:
        assert resolve_actions([row("Submitted", "")], {"Submitted": "purchase"}, strict=True)[0]["submitted"] == "purchase"


@pytest.mark.parametrize(("status", "folded"), [(None, ""), ("", ""), (" PunchOut\n", "punchout"), ("Punchout", "punchout")])
def test_a_status_is_folded_as_sql_server_compares(status: str | None, folded: str) -> None:
    assert fold_status(status) == folded


def test_resolving_does_not_change_the_defaults() -> None:
    resolve_actions([row("Submitted", "Cancel")], {"punchout": "none"})
    assert dict(DEFAULT_ACTIONS) == DEFAULTS
