"""Upload bodies and the states beside them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest

from odp.core.bodies import MAX_ITEMS, TARGET_BYTES, Body, BodyWriter, ItemState, read_bodies
from odp.core.exceptions import StagingError
from odp.core.staging import FrameWriter, LineWriter

Row = Sequence[bytes]


def item(number: int, size: int = 0) -> bytes:
    return json.dumps({"n": number, "text": "x" * size}).encode()


def packed(rows: Sequence[Row], max_items: int = MAX_ITEMS) -> tuple[list[Body], BodyWriter]:
    """Return the bodies of rows, read back, and their writer."""
    bodies, states = io.BytesIO(), io.BytesIO()
    with LineWriter(bodies) as lines:
        writer = BodyWriter(lines, FrameWriter(states), max_items)
        for row in rows:
            writer.add(b",".join(row), b"".join(b"state of %b\n" % entry for entry in row), len(row))
        writer.close()
    bodies.seek(0)
    states.seek(0)
    return list(read_bodies(bodies, states)), writer


def contents(bodies: Sequence[Body]) -> list[list[int]]:
    return [[entry["n"] for entry in json.loads(body.content)] for body in bodies]


class TestPacking:
    @pytest.mark.parametrize(
        ("rows", "sizes"), [(0, []), (1, [1]), (499, [499]), (500, [500]), (501, [500, 1]), (1_000, [500, 500])]
    )
    def test_a_body_holds_at_most_500_items(self, rows: int, sizes: list[int]) -> None:
        bodies, writer = packed([[item(number)] for number in range(rows)])
        assert [body.items for body in bodies] == [body.rows for body in bodies] == sizes
        assert (writer.bodies, writer.items, writer.rows) == (len(sizes), rows, rows)

    def test_order_and_content_survive(self) -> None:
        items = [item(number) for number in range(1_234)]
        bodies, _ = packed([[entry] for entry in items])
        assert [number for body in contents(bodies) for number in body] == list(range(1_234))
        assert b",".join(body.content[1:-1] for body in bodies) == b",".join(items)

    @pytest.mark.parametrize("max_items", [1, 2, 7, 100])
    def test_a_smaller_batch_size_is_kept(self, max_items: int) -> None:
        bodies, _ = packed([[item(number)] for number in range(20)], max_items)
        assert max(body.items for body in bodies) == min(max_items, 20)
        assert sum(body.items for body in bodies) == 20

    @pytest.mark.parametrize("size", [10_000, 300_000, 600_000])
    def test_a_body_of_several_items_stays_below_the_target_size(self, size: int) -> None:
        bodies, _ = packed([[item(number, size)] for number in range(12)])
        assert len(bodies) > 1 or size == 10_000
        assert all(len(body.content) <= TARGET_BYTES + MAX_ITEMS + 2 for body in bodies)
        assert sum(body.items for body in bodies) == 12

    def test_bodies_are_filled_up_to_the_target(self) -> None:
        bodies, _ = packed([[item(number, 100_000)] for number in range(18)])
        assert [body.items for body in bodies] == [9, 9]

    def test_an_item_above_the_target_gets_a_body_of_its_own(self) -> None:
        bodies, _ = packed([[item(1)], [item(2, 2 * TARGET_BYTES)], [item(3)]])
        assert contents(bodies) == [[1], [2], [3]]

    def test_closing_twice_writes_nothing_twice(self) -> None:
        bodies, states = io.BytesIO(), io.BytesIO()
        with LineWriter(bodies) as lines:
            writer = BodyWriter(lines, FrameWriter(states))
            writer.add(item(1), b"s\n")
            writer.close()
            writer.close()
        assert (writer.bodies, writer.items, writer.rows) == (1, 1, 1)

    def test_a_line_break_in_a_text_is_no_end_of_a_body(self) -> None:
        entry = json.dumps({"n": 1, "text": "a\nb\r\u2028"}, ensure_ascii=False).encode()
        bodies, _ = packed([[entry], [item(2)]])
        assert contents(bodies) == [[1, 2]]
        assert json.loads(bodies[0].content)[0]["text"] == "a\nb\r\u2028"


class TestRowsOfSeveralItems:
    def test_the_items_of_a_row_stay_in_one_body(self) -> None:
        bodies, writer = packed([[item(number), item(number + 100)] for number in range(5)], 3)
        assert contents(bodies) == [[number, number + 100] for number in range(5)]
        assert [body.rows for body in bodies] == [1] * 5
        assert (writer.rows, writer.items) == (5, 10)

    def test_they_stay_together_even_where_a_body_is_to_hold_one_item(self) -> None:
        # Bodies are sent side by side: in a body of its own, a cancel could overtake its purchase.
        bodies, writer = packed([[item(1), item(2)], [item(3)]], 1)
        assert contents(bodies) == [[1, 2], [3]]
        assert [body.rows for body in bodies] == [1, 1]
        assert writer.rows == 2


class TestStates:
    STATES = (
        ItemState("1001", "a" * 32, "b" * 32, "purchase", closes=False, entity_id="e-1"),
        ItemState('a,"b"\nc\r\n🙂', "c" * 32, "d" * 32, "", closes=True, entity_id=""),
    )

    def test_they_survive(self) -> None:
        assert ItemState.read(ItemState.write(self.STATES)) == list(self.STATES)
        assert ItemState.read(b"") == []

    def test_each_body_comes_with_the_states_of_its_items(self) -> None:
        bodies, _ = packed([[item(1)], [item(2), item(3)], [item(4)]], 3)
        assert [body.states for body in bodies] == [
            b"".join(b"state of %b\n" % item(number) for number in numbers) for numbers in ((1, 2, 3), (4,))
        ]


def test_a_file_of_bodies_that_ends_in_the_middle_is_an_error() -> None:
    bodies, states = io.BytesIO(), io.BytesIO()
    with LineWriter(bodies) as lines:
        writer = BodyWriter(lines, FrameWriter(states), 1)
        for number in range(1_000):
            writer.add(item(number, 50), b"s\n")
        writer.close()
    states.seek(0)
    with pytest.raises(StagingError):
        list(read_bodies(io.BytesIO(bodies.getvalue()[:-10]), states))
