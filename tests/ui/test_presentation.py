"""How the page writes things down."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from odp.core.window import Window
from odp.ui.presentation import STATIC, count_up_to, duration, gap_form, local_input, moment, number, rate, window_in_words

UTC = timezone.utc


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0, "0"), (999, "999"), (1_234_567, "1\u202f234\u202f567"), (12.6, "13")]
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


def test_counts_that_end_somewhere() -> None:
    assert [count_up_to(value, 10_000) for value in (0, 9_999, 10_000)] == ["0", "9\u202f999", "10\u202f000 or more"]


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (0, "0.0/s"), (3.14, "3.1/s"), (1234.5, "1\u202f234/s")])
def test_rates(value: float | None, text: str) -> None:
    assert rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (3_661, "1 h 1 min"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
        (timedelta(seconds=-1), "0 s"),
    ],
)
def test_durations(value: timedelta | float | None, text: str) -> None:
    assert duration(value) == text


def test_times_are_in_utc() -> None:
    assert moment(datetime(2026, 11, 24, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-23 23:30"
    assert moment(None) == "–"


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (Window(), "everything"),
        (Window(None, datetime(2026, 11, 3, 4, tzinfo=UTC)), "before 2026-11-03 04:00"),
        (Window(datetime(2026, 11, 3, tzinfo=UTC), None), "since 2026-11-03 00:00"),
        (Window(datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC)), "3 Nov 2026"),
        (Window(datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 6, tzinfo=UTC)), "3 Nov 2026 to 5 Nov 2026"),
        (
            Window(datetime(2026, 11, 3, 4, 30, tzinfo=UTC), datetime(2026, 11, 6, tzinfo=UTC)),
            "2026-11-03 04:30 to 2026-11-06 00:00",
        ),
    ],
)
def test_windows(window: Window, text: str) -> None:
    assert window_in_words(window) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-03", "2026-11-03T00:00"),
        ("2026-11-03T04:30:00+02:00", "2026-11-03T02:30"),
        ("2026-11-03T04:30:00Z", "2026-11-03T04:30"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_a_time_in_a_field(text: str, value: str) -> None:
    assert local_input(text) == value


def test_a_gap_is_filled_by_whole_days() -> None:
    gap = Window(datetime(2026, 11, 3, 4, 30, tzinfo=UTC), datetime(2026, 11, 5, tzinfo=UTC))
    assert gap_form(gap) == {"StartDate": "2026-11-03T00:00", "EndDate": "2026-11-05T00:00", "by_day": "true"}


def test_the_libraries_are_shipped_with_their_licences() -> None:
    vendor = {path.name for path in (STATIC / "vendor").iterdir()}
    assert {"htmx-LICENSE.txt", "chart-LICENSE.txt", "README.md"} < vendor
    for script in (STATIC / "vendor").glob("*.js"):
        assert script.name in (STATIC / "vendor" / "README.md").read_text()
