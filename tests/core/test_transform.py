"""Raw columns to items, skipped rows and rejects."""

from __future__ import annotations

import random
from typing import Any

import orjson
import polars as pl  # noqa: TID253
import pytest

from odp.core.contract import Column
from odp.core.exceptions import StagingError
from odp.core.ledger import hash_text
from odp.core.records import BusinessUser, Order, Product, ProfileByEmail, ProfileByUserId, Warehouse
from odp.core.rows import SUPERSEDED
from odp.core.transform import Reject
from tests.core.staged import columns_of, csv_of, items_of, order, product, transform, transformer_of


class TestItems:
    def test_objects_are_flat(self) -> None:
        outcome = transform(
            Warehouse, [{"warehouse_id": "w-1", "name": " East ", "city": "", "latitude": "1.50", "is_default": "t"}]
        )
        assert items_of(outcome) == [{"warehouse_id": "w-1", "name": "East", "latitude": 1.5, "is_default": True}]

    def test_profiles_hold_everything_in_attributes(self) -> None:
        outcome = transform(ProfileByEmail, [{"email": " Ana@Example.com ", "business_user_id": "u-1", "first_name": "Ana"}])
        assert items_of(outcome) == [{"attributes": {"email": "ana@example.com", "business_user_id": "u-1", "first_name": "Ana"}}]

    def test_the_order_of_rows_is_kept(self) -> None:
        keys = [f"p-{number}" for number in random.Random(1).sample(range(5_000), 2_000)]
        assert [item["product_id"] for item in items_of(transform(Product, [product(key) for key in keys]))] == keys

    def test_columns_may_come_in_any_order(self) -> None:
        columns = columns_of(Product)[::-1]
        assert items_of(transform(Product, [product(name="Bolt", price="1")], columns)) == [
            {"product_id": "p-1", "name": "Bolt", "price": 1.0}
        ]

    def test_a_column_added_in_sql_is_sent_with_its_type(self) -> None:
        columns = [*columns_of(Product), Column("colour", "text"), Column("weight", "number"), Column("is_new", "boolean")]
        row = product(colour="red", weight="1.50", is_new="f")
        assert items_of(transform(Product, [row], columns)) == [
            {"product_id": "p-1", "colour": "red", "weight": 1.5, "is_new": False}
        ]

    def test_a_field_that_is_not_selected_is_not_sent(self) -> None:
        columns = [Column("product_id", "text"), Column("name", "text")]
        assert items_of(transform(Product, [product(name="Bolt", price="1")], columns)) == [{"product_id": "p-1", "name": "Bolt"}]

    def test_a_mapping_file_of_one_column_counts_its_empty_rows(self) -> None:
        outcome = transform(Product, [product("a"), {"product_id": None}, product("b")], [Column("product_id", "text")])
        assert [item["product_id"] for item in items_of(outcome)] == ["a", "b"]
        assert [reject.reason for reject in outcome.rejects] == ["product_id is required (from Product.Id)"]
        assert outcome.rows == 3

    def test_line_breaks_and_quotes_inside_of_text_do_not_break_rows(self) -> None:
        awkward = ['a"b', "a\nb", "a\r\nb", '"', '""', "a,b", "\n", "x\r", "\\.", "\\N"]
        rows = [product(f"p-{number}", name=awkward[number % 10] + "|" + awkward[number % 7]) for number in range(10_000)]
        items = items_of(transform(Product, rows))
        assert [item["name"] for item in items] == [row["name"].strip() for row in rows]  # type: ignore[union-attr]


class TestEachRowHasOneFate:
    def test_items_skipped_and_rejected_add_up(self) -> None:
        rows = [
            product("a"),
            product("b", skip_reason="discontinued"),
            product("c", price="much"),
            product("a", name="late"),
            product("", name="keyless"),
            product("d"),
        ]
        outcome = transform(Product, rows, columns_of(Product, "skip_reason"))
        assert outcome.rows == 6
        assert items_of(outcome) == [{"product_id": "a", "name": "late"}, {"product_id": "d"}]
        assert outcome.skipped == {"discontinued": 1, SUPERSEDED: 1}
        assert [(reject.key, reject.reason) for reject in outcome.rejects] == [
            ("c", "price must be a finite number"),
            ("(no key)", "product_id is required (from Product.Id)"),
        ]

    def test_a_chunk_of_which_nothing_is_good(self) -> None:
        outcome = transform(Product, [product(price="x"), product("2", price="y")])
        assert outcome.items == []
        assert len(outcome.rejects) == 2

    def test_a_chunk_of_which_nothing_is_to_be_sent(self) -> None:
        outcome = transform(Order, [order("1", order_status="Saved"), order("2", order_status="Quote")])
        assert (outcome.items, outcome.rejects) == ([], [])
        assert outcome.skipped == {"status Saved is not sent": 1, "status Quote is not sent": 1}


class TestSkipReason:
    COLUMNS = columns_of(ProfileByEmail, "skip_reason")

    def test_reasons_are_counted_and_blank_ones_skip_nothing(self) -> None:
        reasons = ["guest profile", "guest profile ", None, "", " ", "no e-mail"]
        rows = [{"email": f"{number}@b.c", "skip_reason": reason} for number, reason in enumerate(reasons)]
        outcome = transform(ProfileByEmail, rows, self.COLUMNS)
        assert outcome.skipped == {"guest profile": 2, "no e-mail": 1}
        assert [item["attributes"] for item in items_of(outcome)] == [{"email": f"{number}@b.c"} for number in (2, 3, 4)]

    def test_a_skipped_row_is_neither_checked_nor_cut(self) -> None:
        outcome = transform(ProfileByEmail, [{"email": "x", "first_name": "y" * 2000, "skip_reason": "guest"}], self.COLUMNS)
        assert (outcome.rejects, outcome.cut) == ([], 0)

    def test_a_skipped_row_does_not_replace_an_earlier_one(self) -> None:
        rows = [{"email": "a@b.c", "first_name": "Ana"}, {"email": "a@b.c", "skip_reason": "guest"}]
        outcome = transform(ProfileByEmail, rows, self.COLUMNS)
        assert items_of(outcome) == [{"attributes": {"email": "a@b.c", "first_name": "Ana"}}]
        assert outcome.skipped == {"guest": 1}

    def test_it_is_never_sent(self) -> None:
        outcome = transform(ProfileByEmail, [{"email": "a@b.c", "skip_reason": None}], self.COLUMNS)
        assert b"skip_reason" not in outcome.items[0].encode()


class TestSuperseded:
    def chunked(self, contract: Any, *chunks: list[dict[str, str | None]]) -> tuple[list[bool], list[Any]]:
        transformer = transformer_of(contract)
        names = [column.name for column in columns_of(contract)]
        texts = [csv_of([row.get(name) for name in names] for row in rows) for rows in chunks]
        superseded = transformer.superseded_rows(iter(texts))
        outcomes, offset = [], 0
        for text in texts:
            outcomes.append(transformer.transform(text, superseded, offset))
            offset += outcomes[-1].rows
        assert sum(outcome.skipped[SUPERSEDED] for outcome in outcomes) == superseded.sum()
        return superseded.to_list(), [item for outcome in outcomes for item in items_of(outcome)]

    def test_the_last_of_several_rows_with_a_key_wins_over_all_chunks(self) -> None:
        superseded, items = self.chunked(
            Product,
            [product("a", name="1"), product("b", name="1"), product("a", name="2")],
            [product("c", name="1"), product("b", name="2")],
            [product("a", name="3")],
        )
        assert superseded == [True, True, True, False, False, False]
        assert [(item["product_id"], item["name"]) for item in items] == [("c", "1"), ("b", "2"), ("a", "3")]

    def test_keys_are_compared_as_they_are_sent(self) -> None:
        superseded, items = self.chunked(ProfileByEmail, [{"email": "Ana@Example.com "}], [{"email": " ana@example.COM"}])
        assert superseded == [True, False]
        assert items == [{"attributes": {"email": "ana@example.com"}}]

    def test_product_ids_differ_by_case(self) -> None:
        assert self.chunked(Product, [product("a"), product("A")])[0] == [False, False]

    def test_rows_without_key_are_no_repeats_of_each_other(self) -> None:
        assert self.chunked(Product, [product(""), product(" "), {"product_id": None}])[0] == [False, False, False]

    def test_part_of_a_key_is_no_key(self) -> None:
        links = [{"business_id": "b-1", "user_id": user} for user in ("u-1", "u-2", None, None, "u-1")]
        assert self.chunked(BusinessUser, links)[0] == [True, False, False, False, False]

    def test_the_border_between_the_parts_of_a_key_counts(self) -> None:
        links = [{"business_id": "a b", "user_id": "c"}, {"business_id": "a", "user_id": "b c"}]
        assert self.chunked(BusinessUser, links)[0] == [False, False]

    def test_of_an_order_the_last_row_that_is_sent_decides_the_action(self) -> None:
        rows = [
            dict(order("1", total="29")),
            dict(order("1", order_status="CancellationRequested")),
            dict(order("2", order_status="CancellationRequested")),
            dict(order("2", total="31")),
            dict(order("1", order_status="Saved")),
        ]
        superseded, items = self.chunked(Order, rows)
        assert superseded == [True, False, True, False, False]
        assert [(item["action"], item["data"]["order"]["total"]) for item in items] == [("cancel", -30.0), ("purchase", 31.0)]

    def test_a_part_without_rows_has_none(self) -> None:
        assert len(transformer_of(Product).superseded_rows(iter([]))) == 0


class TestOrders:
    def test_an_order_of_nobody_is_skipped(self) -> None:
        outcome = transform(Order, [order("1", identifier_email=None), order("2", identifier_email=" "), order("3")])
        assert outcome.skipped == {"nobody to attribute the order to": 2}
        assert len(outcome.items) == 1

    def test_the_status_decides_before_the_person(self) -> None:
        outcome = transform(Order, [order(order_status="Saved", identifier_email=None)])
        assert outcome.skipped == {"status Saved is not sent": 1}

    def test_the_mapping_files_own_reason_comes_first(self) -> None:
        columns = columns_of(Order, "skip_reason")
        outcome = transform(Order, [order(order_status="Saved", skip_reason="other website")], columns)
        assert outcome.skipped == {"other website": 1}

    def test_statuses_are_compared_without_regard_to_case_and_blanks(self) -> None:
        outcome = transform(Order, [order("1", order_status=" SUBMITTED "), order("2", order_status="submitted")])
        assert [item["action"] for item in items_of(outcome)] == ["purchase", "purchase"]

    def test_every_row_is_counted_by_status_and_action(self) -> None:
        statuses = ["Submitted", "Submitted", "Saved", "CancellationRequested", None, "", "Quote", "Submitted"]
        rows = [order(str(number), order_status=status) for number, status in enumerate(statuses)]
        rows[1] = dict(rows[1]) | {"identifier_email": None}
        rows[7] = dict(rows[7]) | {"total": "x"}
        outcome = transform(Order, rows)
        assert outcome.statuses == {
            ("Submitted", "purchase"): 3,
            ("Saved", "not sent"): 1,
            ("CancellationRequested", "cancel"): 1,
            ("", "not sent"): 2,
            ("Quote", "not sent"): 1,
        }
        assert sum(outcome.statuses.values()) == outcome.rows

    def test_an_order_without_status_is_skipped_by_that_reason(self) -> None:
        assert transform(Order, [order(order_status=None)]).skipped == {"status (empty) is not sent": 1}

    def test_other_records_have_no_statuses(self) -> None:
        assert transform(Product, [product()]).statuses == {}


class TestCut:
    def test_long_texts_are_cut_and_counted(self) -> None:
        outcome = transform(Product, [product("a", name="x" * 1025, brand="y" * 3000), product("b", name="z" * 1024)])
        assert outcome.cut == 2
        assert [len(item["name"]) for item in items_of(outcome)] == [1024, 1024]

    def test_long_identifiers_are_rejected(self) -> None:
        outcome = transform(Product, [product("x" * 1025)])
        assert [reject.reason for reject in outcome.rejects] == ["product_id must be text of 1 to 1024 characters"]

    def test_a_column_added_in_sql_is_cut_like_any_text(self) -> None:
        outcome = transform(Product, [product(note="x" * 1025)], [*columns_of(Product), Column("note", "text")])
        assert (outcome.cut, len(items_of(outcome)[0]["note"])) == (1, 1024)


class TestEntity:
    COLUMNS = columns_of(Product, "entity_id")

    def test_records_and_rejects_carry_commerces_id_of_the_entity_but_items_do_not(self) -> None:
        outcome = transform(Product, [product("a", entity_id="e-1"), product("b", entity_id="e-2", price="x")], self.COLUMNS)
        assert outcome.records["entity_id"].to_list() == ["e-1"]
        assert items_of(outcome) == [{"product_id": "a"}]
        (reject,) = outcome.rejects
        assert (reject.entity_id, reject.key, reject.row) == ("e-2", "b", {"product_id": "b", "price": "x"})

    def test_without_it_the_record_key_stands_in(self) -> None:
        outcome = transform(BusinessUser, [{"business_id": "b", "user_id": "u"}, {"business_id": "b"}])
        assert outcome.records["entity_id", "record_key"].rows() == [("b u", "b u")]
        assert outcome.rejects[0].entity_id == "b"


class TestPayloadHash:
    """What tells whether ODP has acknowledged a record as it is."""

    def hash_of(self, contract: Any, row: Any) -> str:
        return transform(contract, [row]).records["payload_hash"].item()

    def test_hashes_are_those_of_the_ledger(self) -> None:
        row = transform(Product, [product("ключ", name=" Bolt ", brand="")]).records.row(0, named=True)
        assert row["key_hash"] == hash_text("ключ")
        assert row["payload_hash"] == hash_text("\x1eproduct_id\x1fключ\x1ename\x1fBolt")

    def test_a_column_that_says_nothing_is_no_change(self) -> None:
        columns = [*columns_of(Product), Column("colour", "text")]
        (with_column,) = transform(Product, [product(name="Bolt")], columns).records["payload_hash"]
        assert with_column == self.hash_of(Product, product(name="Bolt"))

    def test_a_value_in_another_field_is_a_change(self) -> None:
        assert self.hash_of(Product, product(name="Bolt")) != self.hash_of(Product, product(brand="Bolt"))

    def test_rows_left_out_are_neither_checked_nor_encoded(self) -> None:
        transformer = transformer_of(Product)
        rows = [product("a"), product("b", price="much"), product("c")]
        chunk = csv_of([row.get(column.name) for column in columns_of(Product)] for row in rows)
        superseded = transformer.superseded_rows([chunk])
        outcome = transformer.transform(chunk, superseded, 0, lambda rows: rows["record_key"] == "c")
        assert (outcome.rows, outcome.unchanged, outcome.rejects) == (3, 2, [])
        assert outcome.records["record_key"].to_list() == ["c"]

    def test_the_times_of_an_order_are_no_change(self) -> None:
        before = self.hash_of(Order, order(order_status="CancellationRequested"))
        after = self.hash_of(Order, order(order_status="CancellationRequested", cancelled_at="1800000000"))
        assert before == after

    @pytest.mark.parametrize(
        "change",
        [
            {"total": "31"},
            {"identifier_email": "bo@example.com"},
            {"item_quantity": "4"},
            {"order_status": "CancellationRequested"},
            {"customer_po": "x"},
        ],
    )
    def test_anything_else_is(self, change: dict[str, str]) -> None:
        assert self.hash_of(Order, order()) != self.hash_of(Order, order(**change))


class TestRejects:
    def test_all_problems_of_a_row_are_named_with_what_is_needed(self) -> None:
        (reject,) = transform(Product, [product("p-9", price="NaN", is_active="yes", name="Bolt")]).rejects
        assert reject.reason == "price must be a finite number; is_active must be true or false"
        assert reject.key == "p-9"
        assert reject.row == {"product_id": "p-9", "price": "NaN", "is_active": "yes", "name": "Bolt"}

    def test_a_missing_field_is_named_with_its_source(self) -> None:
        (reject,) = transform(ProfileByEmail, [{"first_name": "Ana"}]).rejects
        assert reject.reason == "email is required (from UserProfile.Email)"
        assert reject.key == "(no key)"

    def test_the_known_part_of_a_key_is_given(self) -> None:
        (reject,) = transform(BusinessUser, [{"business_id": "b-1"}]).rejects
        assert reject.key == "b-1"

    def test_the_e_mail_mode_decides_what_is_required(self) -> None:
        row = {"business_user_id": "u-1", "contact_email": "shared@example.com"}
        assert transform(ProfileByUserId, [row]).rejects == []
        assert len(transform(ProfileByEmail, [row]).rejects) == 1

    def test_a_bad_value_of_an_added_column_rejects_the_row(self) -> None:
        (reject,) = transform(Product, [product(weight="Infinity")], [*columns_of(Product), Column("weight", "number")]).rejects
        assert reject.reason == "weight must be a finite number"

    def test_a_reject_is_one_line_of_json(self) -> None:
        line = Reject("e", "a", "name\nbroken", {"name": 'a\n"b"'}).as_json()
        assert b"\n" not in line
        assert orjson.loads(line) == {"entity_id": "e", "key": "a", "reason": "name\nbroken", "row": {"name": 'a\n"b"'}}


class TestStagedPart:
    @pytest.mark.parametrize("names", [["product_id"], ["product_id", "name", "price"]])
    def test_a_part_of_other_columns_than_were_extracted_is_refused(self, names: list[str]) -> None:
        transformer = transformer_of(Product, [Column("product_id", "text"), Column("name", "text")])
        chunk = csv_of([["x"] * len(names)] * 2)
        with pytest.raises(StagingError, match=f"has {len(names)} columns where 2 were extracted"):
            transformer.transform(chunk, pl.repeat(False, 2, eager=True), 0)

    @pytest.mark.parametrize("first", ["\ufeffp", "\ufeff", "\ufeff\ufeff"])
    def test_a_byte_order_mark_in_the_first_value_is_part_of_it(self, first: str) -> None:
        assert [item["product_id"] for item in items_of(transform(Product, [product(first), product("q")]))] == [first, "q"]
