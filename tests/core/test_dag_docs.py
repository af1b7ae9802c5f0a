"""The documentation of the DAGs."""

from __future__ import annotations

import re

import pytest

from odp.core.commerce import READS
from odp.core.contract import contract_fields
from odp.core.dag_docs import MAINTENANCE_DOC, render_doc_md
from odp.core.exports import EXPORTS, ORDERS, PRODUCTS, Export
from odp.core.parameters import PARAMETERS
from odp.core.records import OrderItem
from odp.core.settings import ExportSettings, Settings

PAGE = "plugin/odp-exports/odp/exports/x"
ANY_EXPORT = pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)


@ANY_EXPORT
def test_it_names_what_the_export_replaces_reads_and_sends_to(export: Export) -> None:
    text = render_doc_md(export, PAGE)
    assert text.startswith(f"### {export.title}\n\n{export.summary}\n")
    for words in (f"`{export.post_processor}`", f"`include/sql/{export.sql}`", f"`POST /v3{export.path}`", export.dag_id):
        assert words in text
    for file in (export.sql, *export.lookups.values()):
        assert all(re.search(rf"\b{table}\b", text) for table in READS[file])


@ANY_EXPORT
def test_it_names_settings_and_files_that_exist(export: Export) -> None:
    text = render_doc_md(export, PAGE)
    assert {"notify", "exports"} <= set(Settings.model_fields)
    assert "look_back_days" in ExportSettings.model_fields
    for words in ("`notify`", "`exports`", "`look_back_days`", "`include/schedules.json`", "`docs/operations.md`"):
        assert words in text
    assert all(f"`POST /v3{path}`" in text for path in export.targets)


@ANY_EXPORT
def test_every_field_is_listed_once_with_kind_and_source(export: Export) -> None:
    text = render_doc_md(export, PAGE)
    for field in contract_fields(export.contract):
        mark = ", required" if field.required else ""
        assert text.count(f"| `{field.name}` | {field.kind.name}{mark} | {field.source} |") == 1


def test_the_fields_of_items_are_listed_for_orders_alone() -> None:
    lines = [f"| `items[].{field.name}` | {field.kind.name} | {field.source} |" for field in contract_fields(OrderItem)]
    assert all(line in render_doc_md(ORDERS, PAGE) for line in lines)
    assert "items[]" not in render_doc_md(PRODUCTS, PAGE)


@ANY_EXPORT
def test_every_parameter_is_explained(export: Export) -> None:
    text = render_doc_md(export, PAGE)
    for parameter in PARAMETERS:
        assert f"| `{parameter.name}` | {parameter.description} |" in text


@ANY_EXPORT
def test_it_has_ready_made_runs(export: Export) -> None:
    text = render_doc_md(export, PAGE)
    assert f"[last 7 days]({PAGE}/run?LookBackDays=7)" in text
    assert f"[everything]({PAGE}/run)" in text
    assert f"the gaps]({PAGE})" in text


@ANY_EXPORT
def test_tables_have_as_many_cells_in_each_row_as_in_their_head(export: Export) -> None:
    width = 0
    for line in render_doc_md(export, PAGE).splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.count("|")
        assert width in (0, cells), line
        width = cells


def test_the_ages_of_maintenance_are_those_of_the_settings() -> None:
    for name, default in re.findall(r"`(\w+_days)` \| (\d+)", MAINTENANCE_DOC):
        assert Settings.model_fields[name].default == int(default)
    assert len(re.findall(r"`\w+_days`", MAINTENANCE_DOC)) == 3
