"""The window of a run: every cell of the table, and every way to get it wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from odp.core.exceptions import CannotSucceedError, ParameterError
from odp.core.window import RunTimes, Window, check_parameters, read_time, resolve_window


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)


INTERVAL_START = utc(2026, 11, 3)
INTERVAL_END = utc(2026, 11, 4)
RUN_AFTER = utc(2026, 11, 4, 9, 30)

WITH_INTERVAL = RunTimes(
    takes_interval=True,
    run_after=RUN_AFTER,
    interval_start=INTERVAL_START,
    interval_end=INTERVAL_END,
    logical_date=INTERVAL_START,
)
"""A scheduled run or a backfill."""

MANUAL = RunTimes(
    takes_interval=False,
    run_after=RUN_AFTER,
    interval_start=INTERVAL_START,
    interval_end=INTERVAL_END,
    logical_date=RUN_AFTER,
)
"""A run triggered in the UI, by the CLI or by the API; Airflow gives it the interval before it."""

MANUAL_WITHOUT_LOGICAL_DATE = RunTimes(takes_interval=False, run_after=RUN_AFTER)

START = "2026-10-01T00:00:00Z"
END = "2026-10-08T12:00:00Z"
STARTED = utc(2026, 10, 1)
ENDED = utc(2026, 10, 8, 12)

ANY_RUN = pytest.mark.parametrize(
    "times", [WITH_INTERVAL, MANUAL, MANUAL_WITHOUT_LOGICAL_DATE], ids=["interval", "manual", "manual-without-logical-date"]
)


class TestNothingGiven:
    def test_a_scheduled_or_backfill_run_takes_its_data_interval(self) -> None:
        assert resolve_window({}, WITH_INTERVAL) == Window(INTERVAL_START, INTERVAL_END)

    @pytest.mark.parametrize(
        ("resume_point", "start"),
        [
            (utc(2026, 10, 30, 23, 45), utc(2026, 10, 30, 23, 45)),
            (utc(2026, 11, 3, 20), utc(2026, 11, 3, 20)),
            (utc(2026, 11, 4, 8), INTERVAL_END),
        ],
        ids=["days before", "within the interval", "after it"],
    )
    def test_a_scheduled_run_may_begin_elsewhere_than_its_interval(self, resume_point: datetime, start: datetime) -> None:
        assert resolve_window({}, replace(WITH_INTERVAL, resume_point=resume_point)) == Window(start, INTERVAL_END)

    @pytest.mark.parametrize("times", [MANUAL, MANUAL_WITHOUT_LOGICAL_DATE])
    def test_a_manual_run_takes_everything(self, times: RunTimes) -> None:
        window = resolve_window({}, times)
        assert window == Window(None, None)
        assert window.is_everything

    @pytest.mark.parametrize("nothing", [None, "", "  ", "\t\n"])
    @pytest.mark.parametrize("name", ["LookBackDays", "StartDate", "EndDate"])
    def test_null_and_blank_mean_not_given(self, name: str, nothing: str | None) -> None:
        assert resolve_window({name: nothing}, WITH_INTERVAL) == Window(INTERVAL_START, INTERVAL_END)
        assert resolve_window({name: nothing}, MANUAL).is_everything

    @pytest.mark.parametrize(
        ("start", "end"), [(None, None), (None, INTERVAL_END), (INTERVAL_START, None), (INTERVAL_END, INTERVAL_END)]
    )
    def test_a_scheduled_run_without_an_interval_says_how_to_get_one(self, start: datetime | None, end: datetime | None) -> None:
        times = RunTimes(takes_interval=True, run_after=RUN_AFTER, interval_start=start, interval_end=end)
        with pytest.raises(ParameterError, match=r"has no data interval.*CronDataIntervalTimetable.*LookBackDays"):
            resolve_window({}, times)


class TestLookBackDays:
    @pytest.mark.parametrize("days", [1, 7, 365])
    def test_a_scheduled_run_counts_back_from_the_end_of_its_interval(self, days: int) -> None:
        expected = Window(INTERVAL_END - timedelta(hours=24 * days), INTERVAL_END)
        assert resolve_window({"LookBackDays": days}, WITH_INTERVAL) == expected

    def test_a_manual_run_counts_back_from_the_end_of_its_interval(self) -> None:
        assert resolve_window({"LookBackDays": 2}, MANUAL) == Window(utc(2026, 11, 2), INTERVAL_END)

    def test_a_manual_run_without_interval_counts_back_from_its_logical_date(self) -> None:
        times = RunTimes(takes_interval=False, run_after=RUN_AFTER, logical_date=utc(2026, 11, 4, 8))
        assert resolve_window({"LookBackDays": 1}, times) == Window(utc(2026, 11, 3, 8), utc(2026, 11, 4, 8))

    def test_a_manual_run_without_logical_date_counts_back_from_run_after(self) -> None:
        expected = Window(utc(2026, 11, 1, 9, 30), RUN_AFTER)
        assert resolve_window({"LookBackDays": 3}, MANUAL_WITHOUT_LOGICAL_DATE) == expected

    @pytest.mark.parametrize("wrong", [0, -1, 1.5, 7.0, True, False, "7", "seven", [1], {}])
    @ANY_RUN
    def test_anything_but_a_whole_number_from_1_is_refused(self, times: RunTimes, wrong: Any) -> None:
        with pytest.raises(ParameterError) as error:
            resolve_window({"LookBackDays": wrong}, times)
        assert str(error.value) == f"LookBackDays must be a whole number of days, 1 or more, not {wrong!r}."

    @pytest.mark.parametrize("days", [800_000, 999_999_999, 1_000_000_000, 10**400])
    @ANY_RUN
    def test_more_days_than_the_calendar_has_name_the_way_to_export_everything(self, times: RunTimes, days: int) -> None:
        with pytest.raises(ParameterError, match=r"reaches back before the year 1\. Leave all parameters empty"):
            resolve_window({"LookBackDays": days}, times)

    def test_the_window_may_reach_back_to_the_first_day_of_the_calendar(self) -> None:
        days = (INTERVAL_END - utc(1, 1, 1)).days
        assert resolve_window({"LookBackDays": days}, WITH_INTERVAL).start_text == "0001-01-01T00:00:00+00:00"

    def test_a_retry_of_the_run_gets_the_same_window(self) -> None:
        assert resolve_window({"LookBackDays": 5}, MANUAL) == resolve_window({"LookBackDays": 5}, MANUAL)


class TestDates:
    @ANY_RUN
    def test_both_dates_bound_the_window_in_every_kind_of_run(self, times: RunTimes) -> None:
        assert resolve_window({"StartDate": START, "EndDate": END}, times) == Window(STARTED, ENDED)

    @ANY_RUN
    def test_a_start_alone_leaves_the_end_open(self, times: RunTimes) -> None:
        window = resolve_window({"StartDate": START}, times)
        assert window == Window(STARTED, None)
        assert not window.is_everything

    @ANY_RUN
    def test_an_end_alone_leaves_the_start_open(self, times: RunTimes) -> None:
        window = resolve_window({"EndDate": END}, times)
        assert window == Window(None, ENDED)
        assert not window.is_everything

    @pytest.mark.parametrize("end", [START, "2026-09-30T23:59:59Z", "2026-10-01T01:00:00+01:00"])
    @ANY_RUN
    def test_a_start_that_is_not_before_the_end_is_refused(self, times: RunTimes, end: str) -> None:
        with pytest.raises(ParameterError) as error:
            resolve_window({"StartDate": START, "EndDate": end}, times)
        assert str(error.value).startswith("StartDate 2026-10-01T00:00:00+00:00 must be before EndDate ")
        assert str(error.value).endswith("Swap them, or move one of them.")

    def test_dates_of_different_zones_are_compared_as_points_in_time(self) -> None:
        window = resolve_window({"StartDate": "2026-10-01T00:00:00+02:00", "EndDate": "2026-09-30T23:00:00Z"}, MANUAL)
        assert window == Window(utc(2026, 9, 30, 22), utc(2026, 9, 30, 23))

    @pytest.mark.parametrize("other", [{"StartDate": START}, {"EndDate": END}, {"StartDate": START, "EndDate": END}])
    @ANY_RUN
    def test_look_back_days_cannot_be_combined_with_a_date(self, times: RunTimes, other: dict[str, str]) -> None:
        with pytest.raises(ParameterError) as error:
            resolve_window({"LookBackDays": 1, **other}, times)
        assert str(error.value) == "Give either LookBackDays or StartDate/EndDate, not both."

    @pytest.mark.parametrize("wrong", ["yesterday", "01.11.2026", "2026-13-01", "2026-02-30", "2026-11-01T25:00:00Z", 20261101.5])
    @pytest.mark.parametrize("name", ["StartDate", "EndDate"])
    def test_an_unreadable_date_is_quoted_with_an_example_of_a_right_one(self, name: str, wrong: Any) -> None:
        with pytest.raises(ParameterError) as error:
            resolve_window({name: wrong}, MANUAL)
        assert str(error.value) == (
            f"{name} {wrong!r} is not a date that can be read. Write it as 2026-11-01 or 2026-11-01T08:00:00Z."
        )


class TestReadTime:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-01", utc(2026, 11, 1)),
            ("2026-11-01T08:00:00", utc(2026, 11, 1, 8)),
            ("2026-11-01 08:00", utc(2026, 11, 1, 8)),
            ("2026-11-01T08:00:00Z", utc(2026, 11, 1, 8)),
            ("2026-11-01T08:00:00.000Z", utc(2026, 11, 1, 8)),
            ("2026-11-01T08:00:00+01:00", utc(2026, 11, 1, 7)),
            ("2026-11-01T08:00:00-05:30", utc(2026, 11, 1, 13, 30)),
            ("  2026-11-01  ", utc(2026, 11, 1)),
        ],
    )
    def test_a_time_without_zone_is_utc_and_one_with_zone_keeps_it(self, text: str, expected: datetime) -> None:
        time = read_time("StartDate", text)
        assert time == expected
        assert time.tzinfo is not None

    def test_a_datetime_is_taken_as_it_is(self) -> None:
        assert read_time("StartDate", datetime(2026, 11, 1, 8)) == utc(2026, 11, 1, 8)
        zoned = datetime(2026, 11, 1, 8, tzinfo=timezone(timedelta(hours=2)))
        assert read_time("StartDate", zoned) is zoned


class TestTexts:
    @pytest.mark.parametrize(
        "window", [Window(), Window(STARTED, None), Window(None, ENDED), Window(STARTED, ENDED), Window(utc(1, 1, 1), ENDED)]
    )
    def test_a_window_survives_the_way_through_the_templates(self, window: Window) -> None:
        assert Window.from_texts(window.start_text, window.end_text) == window

    def test_open_sides_are_written_as_postgresql_writes_them(self) -> None:
        assert (Window().start_text, Window().end_text) == ("-infinity", "infinity")

    def test_an_unrendered_template_is_an_error(self) -> None:
        with pytest.raises(ParameterError, match="window_start"):
            Window.from_texts("{{ macros.odp.window_start() }}", "infinity")


class TestCheckParameters:
    def test_known_parameters_pass(self) -> None:
        params = {"LookBackDays": None, "StartDate": START, "EndDate": None, "Ids": ["1"], "DryRun": True, "Resend": False}
        assert check_parameters(params, {"StartDate": START, "DryRun": True}, MANUAL) == Window(STARTED, None)

    def test_an_unknown_parameter_of_the_run_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="Unknown parameter 'LookbackDay'. Did you mean LookBackDays?"):
            check_parameters({}, {"LookbackDay": 1}, MANUAL)

    def test_wrong_ids_are_refused(self) -> None:
        with pytest.raises(ParameterError, match="Ids must be a list"):
            check_parameters({"Ids": "1001"}, None, MANUAL)

    def test_a_wrong_window_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="LookBackDays"):
            check_parameters({"LookBackDays": 0}, None, MANUAL)

    def test_no_retry_can_mend_a_parameter_error(self) -> None:
        assert issubclass(ParameterError, CannotSucceedError)
