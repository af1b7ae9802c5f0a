"""The parameters of every export."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from odp.core.exceptions import ParameterError
from odp.core.parameters import PARAMETER_NAMES, PARAMETERS, read_ids, refuse_unknown_parameters


def test_commerces_parameters_and_those_of_this_package_are_there() -> None:
    assert PARAMETER_NAMES == ("LookBackDays", "StartDate", "EndDate", "Ids", "DryRun", "Resend")


@pytest.mark.parametrize("parameter", PARAMETERS, ids=PARAMETER_NAMES)
def test_the_default_of_a_parameter_is_valid_and_its_text_is_a_sentence(parameter: Any) -> None:
    jsonschema.validate(parameter.default, parameter.schema)
    assert parameter.title
    assert parameter.description.endswith(".")


@pytest.mark.parametrize(
    ("name", "value"),
    [("LookBackDays", 0), ("LookBackDays", "1"), ("LookBackDays", 1.5), ("StartDate", 5), ("Ids", "1001"), ("DryRun", None)],
)
def test_the_trigger_form_refuses_wrong_values(name: str, value: Any) -> None:
    schema = next(parameter.schema for parameter in PARAMETERS if parameter.name == name)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema)


class TestUnknownParameters:
    @pytest.mark.parametrize(
        ("given", "nearest"),
        [
            ("lookbackdays", "LookBackDays"),
            ("LookBackDay", "LookBackDays"),
            ("look_back_days", "LookBackDays"),
            ("startdate", "StartDate"),
            ("start_date", "StartDate"),
            ("EndDates", "EndDate"),
            ("Id", "Ids"),
            ("dry_run", "DryRun"),
            ("resend", "Resend"),
        ],
    )
    def test_the_nearest_name_is_offered(self, given: str, nearest: str) -> None:
        with pytest.raises(ParameterError) as error:
            refuse_unknown_parameters([given])
        assert str(error.value) == (
            f"Unknown parameter {given!r}. Did you mean {nearest}? "
            "Known parameters: LookBackDays, StartDate, EndDate, Ids, DryRun, Resend."
        )

    @pytest.mark.parametrize("given", ["NotifyEmail", "x", "", "🙂"])
    def test_a_name_like_no_other_gets_the_list_alone(self, given: str) -> None:
        with pytest.raises(ParameterError) as error:
            refuse_unknown_parameters([given])
        assert "Did you mean" not in str(error.value)
        assert str(error.value).endswith("Known parameters: LookBackDays, StartDate, EndDate, Ids, DryRun, Resend.")

    def test_one_unknown_among_known_ones_is_found(self) -> None:
        with pytest.raises(ParameterError, match="'Website'"):
            refuse_unknown_parameters([*PARAMETER_NAMES, "Website"])

    def test_the_known_ones_pass(self) -> None:
        refuse_unknown_parameters(PARAMETER_NAMES)

    def test_what_airflow_adds_for_lineage_passes(self) -> None:
        refuse_unknown_parameters([*PARAMETER_NAMES, "openlineage"])


class TestIds:
    @pytest.mark.parametrize("nothing", [None, []])
    def test_nothing_means_all_entities(self, nothing: Any) -> None:
        assert read_ids(nothing) is None

    def test_ids_are_trimmed_and_kept_in_order_without_repeats(self) -> None:
        assert read_ids([" 1002", "1001\n", "1002", "", "a b"]) == ["1002", "1001", "a b"]

    def test_case_is_kept(self) -> None:
        assert read_ids(["SKU-a", "SKU-A"]) == ["SKU-a", "SKU-A"]

    @pytest.mark.parametrize("wrong", ["1001", 1001, [1001], ["1001", None], {"1001": True}, ("1001",), True])
    def test_anything_but_a_list_of_texts_is_refused(self, wrong: Any) -> None:
        with pytest.raises(ParameterError) as error:
            read_ids(wrong)
        assert str(error.value) == f'Ids must be a list of texts such as ["1001", "1002"], not {wrong!r}.'

    @pytest.mark.parametrize("blanks", [[""], [" ", "\t"]])
    def test_a_list_of_blanks_is_not_taken_for_everything(self, blanks: list[str]) -> None:
        with pytest.raises(ParameterError, match="holds only blanks"):
            read_ids(blanks)
