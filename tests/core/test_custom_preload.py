"""Mode A: values by entity, from a team's query or function."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from odp.core.exceptions import CustomFunctionError, CustomPropertyError, ReplicaError
from odp.core.exports import CUSTOMERS, WAREHOUSES, Export
from odp.core.window import Window
from tests.core.custom import CustomFolder, CustomRun, add_property, add_warehouses, own
from tests.core.extraction import NOW, execute, insert

Start: TypeAlias = Callable[..., CustomRun]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CustomFolder:
    """A team's own files."""
    return CustomFolder(tmp_path, monkeypatch)


@pytest.fixture
def start(replica_without_rows: str, shared_ledger: str, tmp_path: Path) -> Start:
    """Return a function that extracts an export, warehouses by default, with custom properties."""

    def extract(export: Export = WAREHOUSES, *, extraction: dict[str, Any] | None = None, **custom: Any) -> CustomRun:
        return CustomRun(replica_without_rows, shared_ledger, export, tmp_path / "staged", custom, **(extraction or {}))

    return extract


class TestQuery:
    def test_columns_become_fields_of_their_type(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 3)
        folder.write(
            "w.sql",
            "SELECT w.Id, length(w.Name) AS letters, w.Name = 'W1' AS is_first, w.ModifiedOn AS changed_at,"
            " ' ' || w.Name AS label, NULL::text AS nothing FROM Warehouse w WHERE w.Name <> 'W3' ORDER BY 2;",
        )
        changed = int(NOW.timestamp())
        assert own(start(preload="w.sql").items()) == {
            1: {"letters": 2.0, "is_first": True, "changed_at": changed + 1, "label": "W1"},
            2: {"letters": 2.0, "is_first": False, "changed_at": changed + 2, "label": "W2"},
            3: {},
        }

    def test_it_is_given_ids_and_window(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 3)
        folder.write(
            "w.sql",
            "SELECT i.id, cardinality(%(ids)s::uuid[]) AS asked, %(from)s::timestamptz AS lower, %(to)s::timestamptz AS upper,"
            " %(as_of)s::timestamptz AS now, '100%%' AS share FROM unnest(%(ids)s::uuid[]) AS i (id)",
        )
        window = Window(NOW, NOW.replace(hour=13))
        run = start(preload="w.sql", extraction={"window": window, "ids": ["W2", "W3"], "settings": {"part_rows": 1}})
        seconds = int(NOW.timestamp())
        expected = {"asked": 1.0, "lower": seconds, "upper": seconds + 3600, "now": seconds, "share": "100%"}
        assert own(run.items()) == {2: expected, 3: expected}

    def test_an_open_window_is_infinite(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.sql", "SELECT w.Id, %(from)s::text AS lower, %(to)s::text AS upper FROM Warehouse w")
        assert own(start(preload="w.sql").items()) == {1: {"lower": "-infinity", "upper": "infinity"}}

    def test_it_comes_after_the_table_and_wins(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 2)
        for entity in (1, 2):
            add_property(replica_without_rows, "Warehouse", entity, "Note", "table")
        folder.write("w.sql", "SELECT w.Id, 'query' AS note FROM Warehouse w WHERE w.Name = 'W1'")
        assert own(start(properties=["Note"], preload="w.sql").items()) == {1: {"note": "query"}, 2: {"note": "table"}}

    def test_text_is_read_as_the_mapping_has_it(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        insert(replica_without_rows, "Customer", CreatedOn="now()", CreditHold="false")
        folder.write("c.sql", "SELECT c.Id, '5/1/2024' AS created_at, 'Yes' AS credit_hold FROM Customer c")
        [item] = start(CUSTOMERS, preload="c.sql", allow_override=["created_at", "credit_hold"]).items()
        assert (item["created_at"], item["credit_hold"]) == (1714521600, True)

    @pytest.mark.parametrize(
        ("query", "error", "message"),
        [
            (
                "SELECT w.Nothing FROM Warehouse w",
                ReplicaError,
                "The preload query include/sql/custom/w.sql does not work: .*does not run.*nothing does not exist",
            ),
            ("SELECT w.Id FROM Warehouse w", CustomPropertyError, "include/sql/custom/w.sql selects no field"),
            ("SELECT w.Id, ARRAY[1] AS x FROM Warehouse w", CustomPropertyError, "selects x as a list"),
            ('SELECT w.Id, 1 AS "Bad Name" FROM Warehouse w', CustomPropertyError, "w.sql gives a field 'Bad Name'"),
            ("SELECT w.Id, 1 AS name FROM Warehouse w", CustomPropertyError, "gives name, which the mapping .* gives already"),
            ("SELECT 'x', 1 AS y FROM Warehouse w", ReplicaError, "invalid input syntax for type uuid"),
        ],
    )
    def test_a_query_that_cannot_be_is_named_before_anything_is_sent(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, query: str, error: type[Exception], message: str
    ) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.sql", query)
        with pytest.raises(error, match=message):
            start(preload="w.sql")

    def test_a_missing_file_is_named(self, start: Start, folder: CustomFolder) -> None:
        with pytest.raises(CustomPropertyError, match=f"name include/sql/custom/w.sql, but there is no file {folder.sql}/w.sql"):
            start(preload="w.sql")

    def test_several_rows_for_one_entity_are_refused(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.sql", "SELECT w.Id, n AS note FROM Warehouse w, generate_series(1, 2) AS n")
        with pytest.raises(CustomPropertyError, match="include/sql/custom/w.sql gives several rows for one entity, such as 0000"):
            start(preload="w.sql").transform()

    def test_it_reads_the_snapshot_of_the_rows(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from odp.core import extract

        add_warehouses(replica_without_rows, 1)
        stage = extract.stage_custom_values

        def change_first(*arguments: Any) -> None:
            execute(replica_without_rows, "UPDATE Warehouse SET Description = 'later'")
            stage(*arguments)

        execute(replica_without_rows, "UPDATE Warehouse SET Description = 'before'")
        monkeypatch.setattr(extract, "stage_custom_values", change_first)
        folder.write("w.sql", "SELECT w.Id, w.Description AS seen FROM Warehouse w")
        assert own(start(preload="w.sql").items(), "description") == {1: {"seen": "before"}}


FUNCTION = """
FIELDS = {"dock_count": "number", "note": "string", "opened_on": "timestamp"}
asked = []


def preload(wanted):
    asked.append(wanted)
"""


class TestFunction:
    def test_values_by_entity_become_fields(self, start: Start, folder: CustomFolder, replica_without_rows: str) -> None:
        add_warehouses(replica_without_rows, 4)
        folder.write(
            "w.py",
            FUNCTION
            + """
    from datetime import date
    from uuid import UUID

    first, second, third, _ = wanted.ids
    return {
        UUID(first): {"dock_count": 3, "note": " dry ", "opened_on": date(2024, 5, 1)},
        second.upper(): {"dock_count": "4", "note": None},
        third: {"dock_count": float("nan"), "opened_on": "5/1/2024"},
    }
""",
        )
        assert own(start(preload="w.py:preload").items()) == {
            1: {"dock_count": 3.0, "note": "dry", "opened_on": 1714521600},
            2: {"dock_count": 4.0},
            3: {"opened_on": 1714521600},
            4: {},
        }

    def test_it_is_asked_once_a_part_about_that_parts_entities(
        self, start: Start, folder: CustomFolder, replica_without_rows: str
    ) -> None:
        add_warehouses(replica_without_rows, 3)
        folder.write(
            "w.py",
            FUNCTION + '    return {i: {"note": f"{len(wanted.ids)} {wanted.from_:%H} {wanted.to}"} for i in wanted.ids}',
        )
        run = start(preload="w.py:preload", extraction={"window": Window(NOW, None), "settings": {"part_rows": 2}})
        assert own(run.items()) == {1: {"note": "2 12 None"}, 2: {"note": "2 12 None"}, 3: {"note": "1 12 None"}}

    @pytest.mark.parametrize("returned", ["None", "{}"])
    def test_none_is_off_and_an_empty_mapping_is_on(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, returned: str
    ) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.py", FUNCTION + f"    return {returned}")
        assert own(start(preload="w.py:preload").items()) == {1: {}}

    def test_others_entities_are_ignored_and_counted(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.py", FUNCTION + '    return {"x": {"note": "a"}, "y": {}, wanted.ids[0]: {"note": "b"}}')
        with caplog.at_level(logging.INFO):
            assert own(start(preload="w.py:preload").items()) == {1: {"note": "b"}}
        origin = "include/custom/w.py:preload of warehouse_odp_export"
        assert f"{origin}: 2 entities that it was not asked about are left out" in caplog.messages

    @pytest.mark.parametrize(
        ("returned", "message"),
        [
            ("[1]", "returned a list"),
            ("{wanted.ids[0]: 1}", "returned a int for entity 00000000-0000"),
            ('{wanted.ids[0]: {"note": [1]}}', "holds a list, which ODP has no field type for.*: field note of entity 0000"),
            ('{wanted.ids[0]: {"color": "red"}}', "gives color, which FIELDS does not declare"),
        ],
    )
    def test_another_result_is_refused_with_what_to_change(
        self, start: Start, folder: CustomFolder, replica_without_rows: str, returned: str, message: str
    ) -> None:
        add_warehouses(replica_without_rows, 1)
        folder.write("w.py", FUNCTION + f"    return {returned}")
        with pytest.raises(CustomPropertyError, match=message) as error:
            start(preload="w.py:preload").transform()
        assert "include/custom/w.py:preload of warehouse_odp_export" in error.value.cause
        assert error.value.remedy


class TestErrors:
    def test_a_field_that_was_declared_later_needs_another_extract(
        self, start: Start, folder: CustomFolder, replica_without_rows: str
    ) -> None:
        add_warehouses(replica_without_rows)
        folder.write("w.py", "FIELDS = {'a': 'string'}\ndef preload(wanted): ...")
        run = start(preload="w.py:preload")
        folder.write("w.py", "FIELDS = {'a': 'string', 'b': 'string'}\ndef preload(wanted): ...")
        with pytest.raises(CustomPropertyError, match="declares b, which it did not when the rows were read") as error:
            run.transform()
        assert error.value.remedy.startswith("Clear the extract task")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (None, "but there is no file .*/w.py"),
            ("FIELDS = {'a': 'string'}", "but w.py has no function preload"),
            ("def preload(wanted): ...", "but w.py does not declare its fields"),
            ("FIELDS = {'a': 'decimal'}\ndef preload(wanted): ...", "but w.py does not declare its fields"),
            ("import nothing_that_exists", "cannot be imported in line 1 .*ModuleNotFoundError: No module named"),
            ("\ndef preload(wanted)\n", "cannot be imported in line 2: SyntaxError"),
            ("FIELDS = {'name': 'string'}\ndef preload(wanted): ...", "w.py:preload gives name, which the mapping"),
            ("FIELDS = {'Bad': 'string'}\ndef preload(wanted): ...", "w.py:preload gives a field 'Bad'"),
        ],
    )
    def test_a_file_that_cannot_be_is_named_before_a_row_is_read(
        self, start: Start, folder: CustomFolder, text: str | None, message: str
    ) -> None:
        if text is not None:
            folder.write("w.py", text)
        with pytest.raises(CustomPropertyError, match=message) as error:
            start(preload="w.py:preload")
        assert "include/custom/w.py:preload" in error.value.cause
        assert error.value.remedy

    def test_an_error_of_the_function_names_file_and_line_and_keeps_values_to_itself(
        self, start: Start, folder: CustomFolder, replica_without_rows: str
    ) -> None:
        add_warehouses(replica_without_rows, 2)
        folder.write("w.py", FUNCTION + "    return int(chr(65) + 'na Ruiz')")
        run = start(preload="w.py:preload")
        with pytest.raises(CustomFunctionError) as error:
            run.transform()
        assert error.value.cause == (
            "include/custom/w.py:preload of warehouse_odp_export failed in line 8 (preload): "
            "ValueError: invalid literal for int() with base 10: '…'."
        )
        assert error.value.__suppress_context__
        folder.write("w.py", FUNCTION + "    return {'note': 1}['color']")
        with pytest.raises(CustomFunctionError, match=r"KeyError: 'color'\. Mend"):
            run.transform()
        # Nothing is lost: mended, the same run goes on.
        folder.write("w.py", FUNCTION + "    return {i: {'note': 'mended'} for i in wanted.ids}")
        assert own(run.items()) == {1: {"note": "mended"}, 2: {"note": "mended"}}
