"""The two readers of a contract, polars and pydantic, held together; and what both of them see."""

from __future__ import annotations

from typing import Any

import orjson
import polars as pl  # noqa: TID253
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from odp.core.columns import check, cut_long_texts, missing_as_null, normalise
from odp.core.contract import ContractField, contract_fields
from odp.core.fields import (
    BOOLEAN,
    EMAIL,
    IDENTIFIER,
    NUMBER,
    TEXT,
    TIMESTAMP,
    Boolean,
    Email,
    Identifier,
    Kind,
    Number,
    Text,
    Timestamp,
)
from odp.core.order_lines import ITEM_PREFIX
from odp.core.order_status import fold_status
from odp.core.records import (
    Business,
    BusinessUser,
    Order,
    OrderItem,
    Product,
    ProfileByEmail,
    ProfileByUserId,
    Record,
    Warehouse,
)
from odp.core.replica import LIST_SEPARATOR
from tests.core.staged import ACTIONS, columns_of, csv_of, transformer_of

SPACES = "\t\n\v\f\r \x1c\x1d\x1e\x85\xa0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000"
NO_SPACES = "\u200b\u2060\ufeff"  # look like blanks and are none

WORDS = {
    TEXT: [
        "Bolt M8", "🙂👩‍👩‍👧", "e\u0301", "ß", "İ", "\x01\x02\x7f", "a\nb\r\nc", '"quoted", it said', "\\", "\\.", "null", "NULL",
        '","name":null', '","name":null,"x":"', "{}", "[1]", "x" * 1024, "x" * 1025, "🙂" * 2000, "é" * 1024 + " end",
        "y" * 1023 + "  z", "\u202e", "a,", ",", "'", "''", "-1", "true", "%", "0",
    ],
    IDENTIFIER: [
        "1001", "x" * 1024, "x" * 1025, "🙂" * 1024, "🙂" * 1025, "a b", "a\nb", "\x01", "0", "null",
        "9f0c3a52-7a0c-4d0e-9a53-5f2f0d6b8c11",
    ],
    EMAIL: [
        "ana@example.com", "ANA@EXAMPLE.COM", "İ@example.com", "a'b+c@d.e", "münz@exämple.de", "🙂@x", "a@b@c", "@", "a@", "@b",
        "a b@c", "a@b c", "a\u00a0b@c", "a\tb@c", "a\x7f@b", '"a"@b', "a\\@b", "x" * 255 + "@y", "x" * 256 + "@y",
        "y@" + "x" * 255, "y@" + "x" * 256, "K@b", "ﬁ@b", "nobody",
    ],
    NUMBER: [
        "0", "-0", "+0", "1", "-1", "+1", "01", "1.", "1.5", ".5", "1e5", "1E5", "1e+5", "1e-5", "1e400", "-1e400", "1e-400",
        "1e0400", "1e1000", "NaN", "nan", "-NaN", "Infinity", "-inf", "1_000", "1,000", "1 000", "١٢", "１", "²", "0x10", "1e",
        "--1", "+-1", "1.2.3", "1.7976931348623157e308", "1.7976931348623159e308", "5e-324", "2e-324", "0.1", "e5",
        "12345678901234567890.12345", "9" * 400, "0." + "0" * 400 + "1", "1d", "1f", "true", "$1", "1%", "∞", "1\u00a0",
        "123456789.00000", "99999999999999999", "0.30000000000000004",
    ],
    BOOLEAN: [
        "t", "f", "true", "false", "1", "0", "T", "F", "TRUE", "True", "False", "yes", "no", "y", "n", "on", "off", "Y", "2",
        "-1", "01", "tr", "truefalse", "t\nf", "ｔ", "wahr", "null",
    ],
    TIMESTAMP: [
        "0", "-0", "+1", "1", "-1", "1700000000", "1700000000000", "-62135596800", "-62135596801", "253402300799", "253402300800",
        "999999999999", "1000000000000", "-999999999999", "00000000001", "0000000000001", "1.5", "1e9", "1_000", "١٧", "２",
        "Infinity", "-Infinity", "2026-11-01", "now", "1700000000\n1",
    ],
}  # fmt: skip
GOOD = {TEXT: "text", IDENTIFIER: "id", EMAIL: "a@b.c", NUMBER: "1.5", BOOLEAN: "t", TIMESTAMP: "1700000000"}

any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
blanks = st.text(st.sampled_from(SPACES + NO_SPACES), max_size=3)


def texts(kind: Kind) -> st.SearchStrategy[str | None]:
    """Texts that are, nearly are, or are not at all of a kind."""
    words = st.sampled_from(WORDS[kind])
    numbers = st.one_of(
        st.floats().map(repr), st.integers().map(str), st.decimals(allow_nan=False, allow_infinity=False, places=5).map(str)
    )
    seconds = st.integers(-(10**13), 10**13).map(str)
    own = {NUMBER: [numbers], TIMESTAMP: [seconds], EMAIL: [st.emails()]}.get(kind, [])
    return st.one_of(words, *own, st.builds("".join, st.tuples(blanks, words, blanks)), any_text, blanks, st.none())


def rows(
    contract: type[BaseModel], more: dict[str, st.SearchStrategy[Any]] | None = None
) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of which the required fields are mostly good and a few others hold anything."""
    fields = contract_fields(contract)
    required = {f.name: st.one_of(st.just(GOOD[f.kind]), any_text.map("k".__add__), texts(f.kind)) for f in fields if f.required}
    others = st.lists(st.sampled_from(fields).flatmap(lambda f: st.tuples(st.just(f.name), texts(f.kind))), max_size=5)
    base = st.fixed_dictionaries(required | (more or {}))
    return st.lists(st.builds(lambda row, values: row | dict(values), base, others), min_size=1, max_size=6)


def read_back(contract: type[BaseModel], given_rows: list[dict[str, Any]]) -> list[dict[str, str | None]]:
    """Return the rows as both readers see them: trimmed, blanks absent, e-mail addresses in lower case, long texts cut."""
    fields = contract_fields(contract)
    schema = {field.name: pl.String for field in fields}
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in given_rows], schema=schema)
    return cut_long_texts(normalise(frame, fields), fields)[0].to_dicts()


def accepted(contract: type[BaseModel], values: dict[str, Any]) -> dict[str, Any] | None:
    """Return the values pydantic reads from a row, without the absent ones; None if it refuses the row."""
    try:
        return contract.model_validate(values).model_dump(exclude_none=True)
    except ValidationError:
        return None


def same(left: Any, right: Any) -> bool:
    """Compare as JSON, so that 1 is not true and -0.0 is not 0.0."""
    return orjson.dumps(left, option=orjson.OPT_SORT_KEYS) == orjson.dumps(right, option=orjson.OPT_SORT_KEYS)


ALIKE = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.parametrize("contract", [Product, Warehouse, Business, BusinessUser, ProfileByEmail, ProfileByUserId])
def test_polars_and_pydantic_accept_the_same_rows_with_the_same_values(contract: type[Record]) -> None:
    @ALIKE
    @given(rows(contract))
    def compare(given_rows: list[dict[str, Any]]) -> None:
        transformer = transformer_of(contract)
        names = [column.name for column in columns_of(contract)]
        chunk = csv_of([row.get(name) for name in names] for row in given_rows)
        superseded = transformer.superseded_rows(iter([chunk]))
        outcome = transformer.transform(chunk, superseded, 0)
        kept = [row for row, late in zip(read_back(contract, given_rows), superseded, strict=True) if not late]
        expected = [accepted(contract, row) for row in kept]
        good = [values for values in expected if values is not None]
        items = [orjson.loads(item) for item in outcome.items]
        if issubclass(contract, (ProfileByEmail, ProfileByUserId)):
            assert all(list(item) == ["attributes"] for item in items)
            items = [item["attributes"] for item in items]
        assert len(items) == len(good)
        for item, values in zip(items, good, strict=True):
            assert same(item, values)
        assert len(outcome.rejects) == expected.count(None)
        assert len(items) + len(outcome.rejects) + sum(outcome.skipped.values()) == len(given_rows) == outcome.rows

    compare()


lines = st.lists(
    st.fixed_dictionaries(
        {
            field.name: st.one_of(st.just(GOOD[field.kind]), st.just(GOOD[field.kind]), texts(field.kind))
            for field in contract_fields(OrderItem)
        }
    ),
    max_size=4,
)
LINE_FIELDS = [field.name for field in contract_fields(OrderItem)]
orders = rows(
    Order,
    {
        "order_status": st.sampled_from(["Submitted", " submitted", "CancellationRequested", "Saved", "", "Other", None]),
        "identifier_email": st.one_of(st.just("ana@example.com"), texts(EMAIL)),
        "lines": lines,
        "shortened": st.one_of(st.none(), st.none(), st.sampled_from(LINE_FIELDS)),
    },
)


def listed(row: dict[str, Any], name: str) -> str | None:
    """Return an item column of an order: null without lines, and an absent value as an empty one."""
    values = [(line[name] or "").replace(LIST_SEPARATOR, "") for line in row["lines"]]
    if row["shortened"] == name:
        values = values[:-1]
    return LIST_SEPARATOR.join(values) if values else None


@ALIKE
@given(orders)
def test_polars_and_pydantic_accept_the_same_orders_with_the_same_values(given_rows: list[dict[str, Any]]) -> None:
    transformer = transformer_of(Order)
    for row in given_rows:
        row |= {f"{ITEM_PREFIX}{name}": listed(row, name) for name in LINE_FIELDS}
        row["lines"] = [{name: (line[name] or "").replace(LIST_SEPARATOR, "") for name in line} for line in row["lines"]]
    names = [column.name for column in columns_of(Order)]
    chunk = csv_of([row.get(name) for name in names] for row in given_rows)
    superseded = transformer.superseded_rows(iter([chunk]))
    outcome = transformer.transform(chunk, superseded, 0)

    expected: list[tuple[str, dict[str, Any]]] = []
    skipped = rejected = 0
    for row, values, late in zip(given_rows, read_back(Order, given_rows), superseded, strict=True):
        action = ACTIONS.get(fold_status(values["order_status"]))
        if action is None or late or not (values["identifier_email"] or values["identifier_business_user_id"]):
            skipped += 1
        elif row["lines"] and row["shortened"] is not None:
            rejected += 1
        else:
            record = accepted(Order, values | {"items": read_back(OrderItem, row["lines"])})
            if record is None:
                rejected += 1
            else:
                expected.append((action, record))

    items = [orjson.loads(item) for item in outcome.items]
    assert [item["action"] for item in items] == [action for action, _ in expected]
    assert len(outcome.rejects) == rejected
    assert sum(outcome.skipped.values()) == skipped
    assert len(items) + rejected + skipped == len(given_rows) == outcome.rows
    for item, (action, record) in zip(items, expected, strict=True):
        identifiers = {"email": record.get("identifier_email"), "business_user_id": record.get("identifier_business_user_id")}
        assert same(item["identifiers"], {name: value for name, value in identifiers.items() if value is not None})
        sent = item["data"]["order"]
        assert sent["order_id"] == record["order_id"]
        assert len(sent.get("items", [])) == len(record["items"])
        if action == "purchase":
            assert item["data"]["ts"] == record["purchased_at"]
            header = {name: value for name, value in record.items() if name not in Order.envelope}
            assert same({name: value for name, value in sent.items() if name != "items"}, header)
            assert same(sent.get("items", []), record["items"])
            assert ("items" in sent) == bool(record["items"])


TYPES = {TEXT: Text, IDENTIFIER: Identifier, EMAIL: Email, NUMBER: Number, BOOLEAN: Boolean, TIMESTAMP: Timestamp}


@pytest.mark.parametrize("required", [False, True])
@pytest.mark.parametrize("kind", list(WORDS), ids=lambda kind: kind.name)
def test_polars_and_pydantic_read_every_odd_word_alike(kind: Kind, required: bool) -> None:
    field = ContractField("field", kind, required, "")
    words = [
        None,
        "",
        *(before + word + after for word in WORDS[kind] for before, after in (("", ""), (" \u2003", "\n"), ("\x1f", ""))),
    ]
    frame, _ = cut_long_texts(normalise(pl.DataFrame({"field": words}), [field]), [field])
    checks = check(field)
    read = frame.select(checks.value.alias("value"), checks.valid.alias("valid"), text="field").rows(named=True)
    pydantic = TypeAdapter(TYPES[kind] if required else TYPES[kind] | None)
    for row in read:
        try:
            value = pydantic.validate_python(row["text"])
        except ValidationError:
            assert row["valid"] is False, row
        else:
            assert row["valid"] is True, row
            assert same(row["value"], value)
    assert {row["valid"] for row in read} == ({True, False} if required or kind is not TEXT else {True})


class TestNormalise:
    FIELDS = (ContractField("email", EMAIL, required=False, source=""), ContractField("name", TEXT, required=False, source=""))

    def seen(self, **values: str | None) -> dict[str, Any]:
        return normalise(pl.DataFrame(values, schema=dict.fromkeys(values, pl.String)), self.FIELDS).row(0, named=True)

    @pytest.mark.parametrize("blank", ["", " ", "\t\r\n", "\u00a0\u3000", None])
    def test_blank_text_is_absent(self, blank: str | None) -> None:
        assert self.seen(name=blank, email=blank, other=blank) == {"name": None, "email": None, "other": None}

    @pytest.mark.parametrize("space", list("\t\n\v\f\r \x85\xa0\u1680\u2003\u2028\u3000"))
    def test_white_space_around_text_goes_and_that_inside_stays(self, space: str) -> None:
        assert self.seen(name=f"{space}a{space}b{space}") == {"name": f"a{space}b"}

    def test_only_e_mail_identifiers_are_put_in_lower_case(self) -> None:
        assert self.seen(email=" Ana@Example.COM ", name="Ana", other="Ana") == {
            "email": "ana@example.com",
            "name": "Ana",
            "other": "Ana",
        }


class TestCut:
    FIELDS = (ContractField("name", TEXT, required=False, source=""), ContractField("id", IDENTIFIER, required=True, source=""))

    def cut(self, *names: str | None) -> tuple[list[str | None], int]:
        frame, count = cut_long_texts(pl.DataFrame({"name": names}, schema={"name": pl.String}), self.FIELDS)
        return frame["name"].to_list(), count

    def test_text_is_cut_to_1024_characters_and_counted(self) -> None:
        assert self.cut("x" * 1025, "y" * 1024, "🙂" * 3000, None) == (["x" * 1024, "y" * 1024, "🙂" * 1024, None], 2)

    def test_a_cut_leaves_no_blank_at_the_end(self) -> None:
        assert self.cut("x" * 1020 + "     yz") == (["x" * 1020], 1)

    def test_an_identifier_is_never_cut(self) -> None:
        frame = pl.DataFrame({"id": ["x" * 1025]})
        assert cut_long_texts(frame, self.FIELDS) == (frame, 0)

    def test_without_text_columns_there_is_nothing_to_cut(self) -> None:
        frame = pl.DataFrame({"other": ["x" * 2000]})
        assert cut_long_texts(frame, self.FIELDS) == (frame, 0)


class TestCheck:
    def verdict(self, kind: Kind, text: str | None, *, required: bool = False) -> tuple[Any, Any]:
        expressions = check(ContractField("field", kind, required, ""))
        frame = pl.DataFrame({"field": [text]}, schema={"field": pl.String})
        return frame.select(expressions.value).item(), frame.select(expressions.valid.alias("valid")).item()

    @pytest.mark.parametrize("kind", list(WORDS), ids=lambda kind: kind.name)
    def test_an_absent_value_is_fine_unless_it_is_required(self, kind: Kind) -> None:
        assert self.verdict(kind, None)[1] is True
        assert self.verdict(kind, None, required=True)[1] is False

    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            (NUMBER, "-12.50", -12.5),
            (NUMBER, "1e3", 1000.0),
            (BOOLEAN, "t", True),
            (BOOLEAN, "0", False),
            (TIMESTAMP, "-62135596800", -62_135_596_800),
            (TIMESTAMP, "253402300799", 253_402_300_799),
            (EMAIL, "ana@example.com", "ana@example.com"),
            (IDENTIFIER, "🙂" * 1024, "🙂" * 1024),
        ],
    )
    def test_a_good_value_is_typed(self, kind: Kind, text: str, value: Any) -> None:
        assert self.verdict(kind, text) == (value, True)

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            (NUMBER, "NaN"),
            (NUMBER, "1e400"),
            (NUMBER, "1_000"),
            (NUMBER, "١٢"),
            (BOOLEAN, "yes"),
            (BOOLEAN, "T"),
            (TIMESTAMP, "253402300800"),
            (TIMESTAMP, "-62135596801"),
            (TIMESTAMP, "1700000000000"),
            (EMAIL, "nobody"),
            (EMAIL, "a b@c"),
            (IDENTIFIER, "x" * 1025),
        ],
    )
    def test_a_bad_value_is_refused_never_unknown(self, kind: Kind, text: str) -> None:
        assert self.verdict(kind, text)[1] is False


def test_fields_that_are_not_selected_become_columns_without_values() -> None:
    fields = [ContractField("a", TEXT, required=False, source=""), ContractField("b", NUMBER, required=False, source="")]
    frame = missing_as_null(pl.DataFrame({"a": ["x"]}), fields)
    assert frame.rows(named=True) == [{"a": "x", "b": None}]
    assert frame.schema["b"] == pl.String
