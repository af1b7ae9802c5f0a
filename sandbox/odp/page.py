"""The page that shows what arrived: server-rendered, without scripts or anything from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from sandbox.odp.account import OdpAccount
from sandbox.odp.answers import timestamp

_LATEST_REQUESTS = 20
_SHOWN_CHARACTERS = 600

_STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #f4f6f9; --text: #1b2230; --dim: #5d6675; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --line: #363d4a; --soft: #1d222b; --text: #e6e9ef; --dim: #9aa4b5; --bad: #ff8a80; }
}
body { margin: 2rem auto; padding: 0 1.25rem; max-width: 72rem; color: var(--text); background: Canvas;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; }
p { margin: .25rem 0; color: var(--dim); }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--dim); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bad { color: var(--bad); }
code { font: 12.5px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
details { margin: .35rem 0; padding: .35rem .6rem; border: 1px solid var(--line); border-radius: 6px; }
details[open] { background: var(--soft); }
summary { cursor: pointer; }
.tiles { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1rem; }
.tile { min-width: 8rem; padding: .6rem .9rem; border: 1px solid var(--line); border-radius: 8px; background: var(--soft); }
.tile b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; }
"""


def render_page(account: OdpAccount) -> str:
    """
    Return the page as HTML.

    :param account: whose data to show.
    """
    counts = account.counts()
    kinds = ["profiles", *counts["objects"], "events"]
    sums = {"profiles": counts["profiles"], **counts["objects"], "events": sum(counts["events"].values())}
    parts = [
        "<h1>ODP sandbox</h1>",
        f"<p>As of {timestamp()}. Requests and dropped values are counted since the start or the last reset.</p>",
        '<div class="tiles">',
        *(f'<div class="tile"><b>{sums[kind]:,}</b>{escape(kind)}</div>' for kind in kinds),
        "</div>",
        _section("Events by type and action", ("Event", "Accepted"), sorted(counts["events"].items())),
        "<h2>Latest items</h2>",
        *(_latest(kind, account.store.latest(kind)) for kind in kinds),
        _section("Requests by status", ("Status", "Requests"), sorted(counts["requests"].items())),
        _section("Dropped values", ("Field", "Reason", "Values"), _dropped(account)),
        _requests(account),
        _section("Faults to come", ("Path", "What happens", "Requests"), _faults(account)),
        _section("Switches", ("Switch", "Value"), account.settings.model_dump().items()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>ODP sandbox</title><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _section(title: str, heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    if not body:
        return f"<h2>{title}</h2><p>None.</p>"
    # The last column of every table here is a number or a value: its head is aligned with it.
    names = "".join(f"<th>{head}</th>" for head in heads[:-1]) + f'<th class="number">{heads[-1]}</th>'
    return f'<h2>{title}</h2><div class="scroll"><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f'<td class="number">{"on" if value else "off"}</td>'
    if isinstance(value, (int, float)):
        return f'<td class="number">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"


def _latest(kind: str, items: list[tuple[str, str]]) -> str:
    if not items:
        return f"<p>{escape(kind)}: nothing since the start.</p>"
    rows = "".join(f"<tr><td>{time}</td><td><code>{escape(_shortened(document))}</code></td></tr>" for time, document in items)
    return (
        f"<details open><summary>{escape(kind)}, the last {len(items)}</summary>"
        f'<div class="scroll"><table><tbody>{rows}</tbody></table></div></details>'
    )


def _shortened(document: str) -> str:
    return document if len(document) <= _SHOWN_CHARACTERS else f"{document[:_SHOWN_CHARACTERS]}…"


def _dropped(account: OdpAccount) -> list[tuple[str, str, int]]:
    dropped = account.uploads.dropped
    return sorted((f"{name}.{field}", reason, count) for (name, field, reason), count in dropped.items())


def _faults(account: OdpAccount) -> list[tuple[str, str, int]]:
    return [
        (fault["path"], fault.get("mode") or str(fault.get("status", "delay")), fault["count"])
        for fault in account.faults.waiting()
    ]


def _requests(account: OdpAccount) -> str:
    rows = []
    for entry in reversed(account.log.latest(_LATEST_REQUESTS)):
        status = entry["status"] or "dropped"
        bad = ' class="bad"' if entry["status"] is None or entry["status"] >= 400 else ""
        items = "" if entry["items"] is None else f"{entry['items']:,}"
        rows.append(
            f"<tr><td>{entry['time']}</td><td><code>{escape(entry['method'])} {escape(entry['path'])}</code></td>"
            f'<td{bad}>{status}</td><td class="number">{items}</td>'
            f'<td class="number">{entry["bytes"]:,}</td><td class="number">{entry["seconds"] * 1000:.1f}</td></tr>'
        )
    if not rows:
        return "<h2>Latest requests</h2><p>None.</p>"
    heads = '<th>Time</th><th>Request</th><th>Status</th><th class="number">Items</th>'
    heads += '<th class="number">Bytes</th><th class="number">Milliseconds</th>'
    return (
        f'<h2>Latest requests</h2><div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
