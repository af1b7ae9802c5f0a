"""
The page as a person uses it: Debian's Chromium, in Airflow's own frame.

With ``ODP_PICTURES=docs/images`` in the environment the tests also take the pictures of the documentation.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect, sync_playwright

from odp.core.exports import CUSTOMERS, EXPORTS, ORDERS, USER_PROFILES, WAREHOUSES
from odp.core.ledger import account_name
from sandbox.odp.server import SandboxOdp
from sandbox.world import LOGIN, SANDBOX_KEY, World
from tests.core.history import add_reject
from tests.e2e.expected import Source
from tests.e2e.running.waiting import until

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(600)]

TakePicture: TypeAlias = Callable[..., None]

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--no-first-run",
)
RUN_MILLISECONDS = 150_000
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
GAP = (TODAY - timedelta(days=9), TODAY - timedelta(days=7))

# A history of daily runs, busier on weekdays; the warehouses have a gap of two days.
HISTORY = """
INSERT INTO export_run (account, export, run_id, window_start, window_end, state, extracted, delivered, unchanged, skipped,
    summary, started_at, finished_at)
SELECT %(account)s, export, 'history ' || day, day, day + interval '1 day', 'success', a + b + c, a, b, c, '{}',
    day + interval '1 day 9 seconds', day + interval '1 day 9 seconds' + make_interval(secs => 8 + a / 300.0 + 4 * random())
FROM (
    SELECT export, day, (size * busy * (0.7 + 0.4 * random()))::integer AS a, (size * busy * 0.3 * random())::integer AS b,
        (size * busy * 0.1 * random())::integer AS c
    FROM unnest(%(exports)s::text[], %(sizes)s::float[]) AS e(export, size),
        generate_series(%(today)s::timestamptz - interval '200 days', %(today)s::timestamptz - interval '1 day', '1 day') AS day,
        LATERAL (SELECT CASE WHEN extract(isodow FROM day) > 5 THEN 0.3 ELSE 1 END * (1 + 0.3 * sin(extract(doy FROM day) / 40)))
            AS w(busy)
) AS numbers
WHERE NOT (export = %(warehouses)s AND day >= %(from)s AND day < %(until)s)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.fail("There is no Chromium to test the page with. On Debian: apt-get install -y --no-install-recommends chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def account(running: World) -> str:
    """Name of the sandbox's account in the ledger."""
    return account_name(running.odp_url, SANDBOX_KEY)


@pytest.fixture(scope="module")
def person(source: Source) -> dict[str, Any]:
    """Somebody in the replica whose record was rejected."""
    return next(row for row in source.rows("UserProfile") if row["email"] and not row["isguest"])


@pytest.fixture(scope="module", autouse=True)
def history(running: World, api: httpx.Client, account: str, person: dict[str, Any]) -> None:
    """A ledger with a history and a reject."""
    values = {"account": account, "today": TODAY, "from": GAP[0], "until": GAP[1], "warehouses": WAREHOUSES.dag_id}
    values |= {"exports": [export.dag_id for export in EXPORTS], "sizes": [60, 4_000, 2_500, 1_800, 1_900, 5_200]}
    with psycopg.connect(running.dsn("odp_ledger"), autocommit=True) as ledger:
        ledger.execute(HISTORY, values)
        add_reject(
            ledger,
            str(person["id"]),
            account=account,
            export=USER_PROFILES.dag_id,
            record_key=str(person["email"]).lower(),
            reason="phone is longer than ODP takes",
            payload={"email": person["email"], "first_name": person["firstname"], "phone": "0" * 50},
            run_id=f"history {TODAY - timedelta(days=1):%Y-%m-%d}",
        )


@pytest.fixture(scope="module")
def page(browser: Browser, running: World) -> Iterator[Page]:
    """A window in which the admin has logged in, by Airflow's login form."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="light")
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    expect.set_options(timeout=30_000)
    opened.goto(f"{running.airflow_url}/odp/")  # a person without login is asked to log in, and led back
    opened.locator("input[name=username]").fill(LOGIN[0])
    opened.locator("input[name=password]").fill(LOGIN[1])
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="ODP exports", exact=True)).to_be_visible()
    yield opened
    context.close()


@pytest.fixture
def errors(page: Page) -> Iterator[list[str]]:
    """What the browser complains about during a test: nothing."""
    found: list[str] = []

    def note(message: Any) -> None:
        if message.type == "error":
            found.append(message.text)

    page.on("console", note)
    yield found
    page.remove_listener("console", note)
    assert found == []


@pytest.fixture
def picture(page: Page) -> TakePicture:
    """Return a function that takes a picture for the documentation, if pictures are wanted."""
    folder = os.environ.get("ODP_PICTURES")

    def take(name: str, height: int = 900) -> None:
        size = page.viewport_size
        if folder and size:
            page.set_viewport_size({"width": size["width"], "height": height})
            page.wait_for_timeout(500)
            page.screenshot(path=Path(folder, f"{name}.png"))
            page.set_viewport_size(size)

    return take


def open_page(page: Page, running: World, path: str = "") -> FrameLocator:
    """Open the page, or one below it, inside Airflow."""
    page.goto(f"{running.airflow_url}/plugin/odp-exports/odp/{path}")
    return page.frame_locator("iframe[title='ODP exports']")


def test_the_six_are_found_by_the_navigation(page: Page, running: World, picture: TakePicture, errors: list[str]) -> None:
    page.goto(running.airflow_url)
    page.get_by_role("link", name="ODP exports").click()
    frame = page.frame_locator("iframe[title='ODP exports']")
    for export in EXPORTS:
        expect(frame.get_by_role("link", name=export.title, exact=True)).to_be_visible()
    expect(frame.locator("tbody .chip.success")).to_have_count(6)
    picture("page-light", 920)
    frame.get_by_role("link", name=ORDERS.title, exact=True).click()
    expect(frame.get_by_role("heading", name=ORDERS.title, exact=True)).to_be_visible()
    # Airflow's address follows, so that it can be passed on.
    expect(page).to_have_url(f"{running.airflow_url}/plugin/odp-exports/odp/exports/{ORDERS.dag_id}")
    expect(frame.locator("canvas").first).to_be_visible()
    picture("page-export", 1400)


def test_light_or_dark_as_in_airflow_and_on_a_small_screen(page: Page, running: World, picture: TakePicture) -> None:
    frame = open_page(page, running)
    body = frame.locator("body")
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
    page.evaluate("localStorage.setItem('theme', 'dark')")
    frame = open_page(page, running, f"exports/{ORDERS.dag_id}")
    expect(frame.locator("body")).to_have_css("background-color", "rgb(17, 19, 23)")
    picture("page-dark", 1400)
    page.evaluate("localStorage.removeItem('theme')")

    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(f"{running.airflow_url}/odp/")
    for path in ("", f"exports/{ORDERS.dag_id}", f"exports/{USER_PROFILES.dag_id}/rejects", f"exports/{ORDERS.dag_id}/run"):
        page.goto(f"{running.airflow_url}/odp/{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    # The latest days are in sight, and what the user scrolled to stays there when news come.
    page.goto(f"{running.airflow_url}/odp/exports/{ORDERS.dag_id}")
    calendar = page.locator("#calendar-scroll")
    assert calendar.evaluate("box => box.scrollWidth > box.clientWidth && box.scrollLeft === 0")
    calendar.evaluate("box => { box.scrollLeft = -100; }")
    page.evaluate(f"htmx.ajax('GET', '/odp/exports/{ORDERS.dag_id}/live', {{ target: '#live', swap: 'outerHTML' }})")
    assert calendar.evaluate("box => box.scrollLeft") == -100
    page.goto(f"{running.airflow_url}/odp/")
    picture("page-small", 1000)
    page.set_viewport_size({"width": 1440, "height": 900})


def test_by_keyboard_alone(page: Page, running: World) -> None:
    page.goto(f"{running.airflow_url}/odp/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    first = page.get_by_role("link", name=EXPORTS[0].title, exact=True)
    page.keyboard.press("Tab")
    expect(first).to_be_focused()
    # News replace the row; who is on it stays there.
    page.evaluate("htmx.ajax('GET', '/odp/rows', { target: '#rows', swap: 'outerHTML' })")
    expect(first).to_be_focused()
    gap = page.locator(f"#row-{WAREHOUSES.dag_id} .cell.gap").first
    gap.focus()
    page.evaluate("htmx.ajax('GET', '/odp/rows', { target: '#rows', swap: 'outerHTML' })")
    expect(gap).to_be_focused()
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=EXPORTS[0].title, exact=True)).to_be_visible()


def test_a_run_with_look_back_days_is_watched_until_it_is_done(
    page: Page, running: World, api: httpx.Client, odp: SandboxOdp, picture: TakePicture
) -> None:
    frame = open_page(page, running)
    frame.get_by_role("link", name=f"Run {CUSTOMERS.title}").click()
    frame.locator("#LookBackDays").fill("4000")
    expect(frame.get_by_text("One run for what was modified in the 4000 days before it starts.")).to_be_visible()
    # A bad combination is told at once ...
    frame.locator("#StartDate").fill("2026-11-01T00:00")
    expect(frame.get_by_text("Give either LookBackDays or StartDate/EndDate, not both.")).to_be_visible()
    picture("page-run")
    frame.get_by_role("button", name="Run").click()
    expect(frame.locator(".outcome.error")).to_have_text("Give either LookBackDays or StartDate/EndDate, not both.")
    # ... and makes no run.
    frame.locator("#StartDate").fill("")
    expect(frame.get_by_text("One run for what was modified in the 4000 days before it starts.")).to_be_visible()
    assert api.get(f"/dags/{CUSTOMERS.dag_id}/dagRuns", params={"run_type": "manual"}).json()["total_entries"] == 0

    odp.faults(path="/v3/objects/businesses", method="POST", delay=2, count=6)
    frame.get_by_role("button", name="Run").click()
    expect(frame.get_by_role("heading", name=CUSTOMERS.title, exact=True)).to_be_visible()
    frame.locator("body").evaluate("body => { body.ownerDocument.defaultView.opened = true; }")
    expect(frame.locator(".now .chip.running")).to_be_visible(timeout=RUN_MILLISECONDS)
    # Of 60, 10 a request: some are sent, at some rate, and some time is left.
    expect(frame.locator(".now + .progress")).to_contain_text(
        re.compile(r"[1-5]0 sent of 60\s+[\d.]+/s\s+\d+ s left"), timeout=RUN_MILLISECONDS
    )
    picture("page-progress")
    manual = {"run_type": "manual"}
    (run,) = until(
        lambda: [r for r in api.get(f"/dags/{CUSTOMERS.dag_id}/dagRuns", params=manual).json()["dag_runs"] if r["end_date"]],
        "the run",
    )
    expect(frame.locator(".now .chip.success")).to_be_visible()
    expect(frame.get_by_role("progressbar")).to_have_count(0)
    assert frame.locator("body").evaluate("body => body.ownerDocument.defaultView.opened"), "the page was loaded anew"
    assert (run["state"], run["conf"], run["triggering_user_name"]) == ("success", {"LookBackDays": 4000}, LOGIN[0])


def test_a_gap_is_found_and_filled(page: Page, running: World, api: httpx.Client, errors: list[str]) -> None:
    frame = open_page(page, running)
    row = frame.locator(f"#row-{WAREHOUSES.dag_id}")
    expect(row.locator(".cell.gap")).to_have_count(2)
    row.locator(".cell.gap").first.click()
    expect(frame.locator("#StartDate")).to_have_value(f"{GAP[0]:%Y-%m-%dT%H:%M}")
    expect(frame.locator("#EndDate")).to_have_value(f"{GAP[1]:%Y-%m-%dT%H:%M}")
    expect(frame.get_by_label("Day by day")).to_be_checked()
    expect(frame.get_by_label("Unpause the DAG")).to_be_checked()
    frame.get_by_role("button", name="Run").click()
    expect(frame.get_by_role("heading", name=WAREHOUSES.title, exact=True)).to_be_visible()
    expect(frame.locator(".calendar .cell.gap")).to_have_count(0, timeout=2 * RUN_MILLISECONDS)
    expect(frame.get_by_text("1 gap")).to_have_count(0)
    runs = api.get(f"/dags/{WAREHOUSES.dag_id}/dagRuns", params={"run_type": "backfill"}).json()["dag_runs"]
    assert sorted(run["data_interval_start"][:10] for run in runs) == [f"{GAP[0] + timedelta(days=n):%Y-%m-%d}" for n in (0, 1)]
    assert {run["triggering_user_name"] for run in runs} == {LOGIN[0]}


def test_a_reject_is_found_and_sent_again(
    page: Page,
    running: World,
    api: httpx.Client,
    odp: SandboxOdp,
    person: dict[str, Any],
    picture: TakePicture,
    errors: list[str],
) -> None:
    frame = open_page(page, running)
    frame.locator(f"#row-{USER_PROFILES.dag_id}").get_by_role("link", name="1 open reject").click()
    key = str(person["email"]).lower()
    frame.get_by_role("searchbox").fill("no such key")
    expect(frame.get_by_text("Nothing matches.")).to_be_visible()
    frame.get_by_role("searchbox").fill(key[:6])
    expect(frame.get_by_role("link", name=key)).to_be_visible()
    picture("page-rejects")
    frame.get_by_role("link", name=key).click()
    expect(frame.get_by_role("heading", name=key)).to_be_visible()
    expect(frame.locator("pre")).to_contain_text(f'"first_name": "{person["firstname"]}"')
    picture("page-reject")
    frame.get_by_role("button", name="Send again").click()
    expect(frame.get_by_role("heading", name=USER_PROFILES.title, exact=True)).to_be_visible()

    def closed() -> bool:
        with psycopg.connect(running.dsn("odp_ledger")) as ledger:
            row = ledger.execute("SELECT closed_at FROM reject WHERE entity_id = %s", (str(person["id"]),)).fetchone()
            return bool(row and row[0])

    until(closed, "the end of the reject")
    assert key in str(odp.dump("profiles"))
    frame = open_page(page, running, f"exports/{USER_PROFILES.dag_id}/rejects?closed=true")
    expect(frame.get_by_role("link", name=key)).to_be_visible()


def test_airflow_s_own_form_sends_an_offset_and_tells_a_bad_combination(page: Page, running: World, picture: TakePicture) -> None:
    page.goto(f"{running.airflow_url}/dags/{ORDERS.dag_id}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog").first
    form.get_by_label("Look-back days").fill("3")
    picture("trigger-form", 1280)
    form.get_by_test_id("datetime-input").nth(1).click()
    picker = page.get_by_role("dialog").last
    picker.get_by_placeholder("YYYY/MM/DD").fill("2026/11/01")
    picker.get_by_placeholder("HH:mm").fill("08:30")
    page.keyboard.press("Escape")
    with page.expect_request(lambda request: request.method == "POST" and request.url.endswith("/dagRuns")) as sent:
        form.get_by_role("button", name="Trigger").click()
    assert sent.value.post_data_json["conf"]["StartDate"] == "2026-11-01T08:30:00.000Z"
    expect(page.get_by_text("Give either LookBackDays or StartDate/EndDate, not both.")).to_be_visible()


def test_the_load_task_leads_to_the_page_and_to_the_sandbox(page: Page, running: World, api: httpx.Client) -> None:
    (run,) = api.get(f"/dags/{CUSTOMERS.dag_id}/dagRuns", params={"run_type": "manual"}).json()["dag_runs"]
    page.goto(f"{running.airflow_url}/dags/{CUSTOMERS.dag_id}/runs/{run['dag_run_id']}/tasks/load/mapped/0/details")
    expect(page.get_by_role("link", name="ODP account")).to_have_attribute("href", running.odp_url)
    page.get_by_role("link", name="ODP exports page").click()
    frame = page.frame_locator("iframe[title='ODP exports']")
    expect(frame.get_by_role("heading", name=CUSTOMERS.title, exact=True)).to_be_visible()
    # And back out of the frame.
    frame.get_by_role("link", name="DAG in Airflow").click()
    expect(page).to_have_url(f"{running.airflow_url}/dags/{CUSTOMERS.dag_id}")
