"""How the page writes things down: numbers, times, windows and states, in words that the templates use."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.app import API_ROOT_PATH
from fastapi import Request
from fastapi.templating import Jinja2Templates

from odp.core.coverage_calendar import days_of
from odp.core.reject_search import MOST_COUNTED
from odp.core.run_overview import dag_run_of
from odp.core.window import Window

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"

STATE_WORDS = {"running": "Running", "success": "Success", "failed": "Failed", "never": "Never run"}


def number(value: float | None) -> str:
    """
    Write a count with thousands apart.

    :param value: the count; ``None`` if it is not known.
    """
    return "–" if value is None else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def count_up_to(value: int, most: int) -> str:
    """
    Write a count that ends at a number.

    :param value: the count.
    :param most: the number, which stands for itself and all above it.
    """
    return number(value) if value < most else f"{number(most)} or more"


def rate(value: float | None) -> str:
    """
    Write a number a second.

    :param value: the number; ``None`` if it is not known.
    """
    if value is None:
        return "–"
    return f"{number(value)}/s" if value >= 10 else f"{value:.1f}/s"


def duration(value: timedelta | float | None) -> str:
    """
    Write how long something takes, in its two largest units.

    :param value: the time, or its seconds; ``None`` if it is not known.
    """
    if value is None:
        return "–"
    seconds = round(value.total_seconds() if isinstance(value, timedelta) else value)
    days, rest = divmod(max(seconds, 0), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    units = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")) if count]
    return " ".join(units[:2]) or "0 s"


def moment(value: datetime | None) -> str:
    """
    Write a time, in UTC.

    :param value: the time; ``None`` if there is none.
    """
    return "–" if value is None else f"{value.astimezone(timezone.utc):%Y-%m-%d %H:%M}"


def day(value: date | datetime) -> str:
    """Write a day, such as 7 Nov 2026."""
    return f"{value.day} {value:%b %Y}"


def span(window: Window) -> str:
    """
    Write the days of a window with both ends, such as 3 Nov 2026 to 5 Nov 2026.

    :param window: the window.
    """
    first, last = days_of(window)
    return day(first) if first == last else f"{day(first)} to {day(last)}"


def window_in_words(window: Window) -> str:
    """
    Write a window of ModifiedOn.

    :param window: the window.
    """
    start, end = window.start, window.end
    if start is None and end is None:
        return "everything"
    if start is None:
        return f"before {moment(end)}"
    if end is None:
        return f"since {moment(start)}"
    if all(time.astimezone(timezone.utc).time() == datetime.min.time() for time in (start, end)):
        return span(window)
    return f"{moment(start)} to {moment(end)}"


def local_input(text: str) -> str:
    """
    Write a time as an input of type datetime-local takes it, in UTC; what is no time stays as it is.

    :param text: ISO 8601.
    """
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return text
    return f"{time.astimezone(timezone.utc) if time.tzinfo else time:%Y-%m-%dT%H:%M}"


def gap_form(gap: Window) -> dict[str, str]:
    """
    Return what the run form is filled in with to fill a gap: its whole days.

    :param gap: the gap.
    """
    first, last = days_of(gap)
    return {"StartDate": f"{first}T00:00", "EndDate": f"{last + timedelta(days=1)}T00:00", "by_day": "true"}


def css(words: str) -> str:
    """Return the name of a class for a state."""
    return words.replace(" ", "-")


def root_path() -> str:
    """Return the path under which Airflow itself lies, ending in a slash."""
    return API_ROOT_PATH


def run_address(export: str, run_id: str) -> str:
    """
    Return the path of a run in Airflow's own UI.

    :param export: id of the export.
    :param run_id: name of the run in the ledger.
    """
    dag_id, dag_run_id = dag_run_of(export, run_id)
    return f"{root_path()}dags/{dag_id}/runs/{quote(dag_run_id, safe='')}"


@cache
def _version(name: str) -> str:
    return sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def _context(request: Request) -> dict[str, Any]:
    def path_for(route: str, /, **values: Any) -> str:
        """Return the path of a route: a whole address would need to know how the outside reaches this server."""
        query = {"account": request.query_params.get("account"), **values.pop("query", {})}
        given = [(key, value) for key, value in query.items() if value not in (None, "")]
        path = request.url_for(route, **values).path
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def static(name: str) -> str:
        return path_for("static_file", name=name, query={"account": None, "v": _version(name)})

    return {"path_for": path_for, "static": static, "airflow": root_path()}


templates = Jinja2Templates(directory=FOLDER / "templates", context_processors=[_context])
templates.env.trim_blocks = templates.env.lstrip_blocks = True
templates.env.filters.update(
    number=number,
    count_up_to=count_up_to,
    rate=rate,
    duration=duration,
    moment=moment,
    day=day,
    span=span,
    window=window_in_words,
    local_input=local_input,
    gap_form=gap_form,
    css=css,
)
templates.env.globals.update(run_address=run_address, STATE_WORDS=STATE_WORDS, MOST_COUNTED=MOST_COUNTED)
