"""The documentation of an export's DAG, rendered from its entry: what Airflow shows as the DAG's docs."""

from __future__ import annotations

from odp.core.contract import contract_fields
from odp.core.exports import Export
from odp.core.parameters import PARAMETERS
from odp.core.records import Order, OrderItem, Record
from odp.core.user_events import EVENT_KINDS, UserEvent

MAINTENANCE_DOC = """\
### ODP Maintenance

Each day, by the ages in the Variable `odp_settings`:

| What | Setting | Default |
|---|---|---|
| staged files of runs | `staging_retention_days` | 7 |
| closed rejects | `reject_retention_days` | 90 |
| history of runs | `run_retention_days` | 730 |

What ODP has acknowledged, open claims and open rejects stay.

#### Uncertain orders

An order is uncertain when the answer to one of its events was lost and ODP cannot be asked, or does not say. Look the order up in
ODP, then trigger this DAG with `DeliveredOrders` (it is there: nothing is sent again) or `NotDeliveredOrders` (it is not: the
next run of the order export sends it). User events are named by their record keys; no run settles them by itself.
"""

REAL_TIME_DOC = """\
### ODP Real Time

Keeps ODP fresh between the daily runs. The triggerer watches the replica while this DAG is not paused; what has changed is
written into the ledger, and a run of this DAG delivers it by the exports' own extract, transform, load and reconcile, all in one
task.

| | |
|---|---|
| Starts | by the asset `commerce_changes`, whose watcher fires when changes wait; a run by hand delivers what waits |
| Carries | up to `realtime_batch_size` changed entities of each export; the next run carries the rest |
| A failed run | loses nothing: its changes wait in the ledger, and a later run tries them again by itself |
| Leave an export out | `"exports": {"product_odp_export": {"realtime": false}}` in the Variable `odp_settings` |
| Counts, rejects | in the ledger, as of every run of an export, under the name `odp_realtime/<run id>` |

A run that is *skipped* found nothing to deliver. How it works, and how to make it faster: `docs/real-time.md`.
"""

CONSISTENCY_DOC = """\
### ODP Consistency

The safety net under the exports: for each of them, the whole source is read as the export would read it and compared with what
ODP has acknowledged (the ledger), and a random sample is read back from ODP, field by field.

| Found | Meaning | `Repair` |
|---|---|---|
| missing | in the source, never acknowledged by ODP | sends it |
| changed | ODP acknowledged another content; of an order, its latest state | sends it |
| pending | missing or changed since the last run of the export, whose next run sends it | sends it now |
| rejected, uncertain | every run of the export deals with them again | |
| deleted | the source no longer has it | `Deactivate` sends `is_active` false, where the record has that field |
| extra | ODP has it, and the export skips it now (a guest, an order status that is not sent) | |
| not there | of the sample: acknowledged, and ODP does not have it | sends it again, but never an event |
| other values | of the sample: ODP holds other values, perhaps from another source; the export's `Resend` overwrites them | |

The run fails when more is missing, changed or not there than `max_difference_ratio` allows and `Repair` did not send it.

#### Parameters

| Parameter | Meaning |
|---|---|
| `Exports` | Only these exports. |
| `Repair` | Send what is missing or changed, by the export's own stages; starts when no run of the export is under way. |
| `Deactivate` | Mark what the source no longer has; refused for more than `max_deactivate_ratio` of the records at once. |

Scheduled runs only look, unless the settings `consistency_repair` and `consistency_deactivate` say otherwise.

#### Gaps

The result also lists times that no run of an export has covered since its first success. Trigger the export with `StartDate` and
`EndDate`, or set `window_mode` to `since_last_success`: then scheduled runs begin where the last success ended.
"""


PREFLIGHT_DOC = """\
### ODP Preflight

Checks everything that the exports need. Trigger it after the connections are defined, and whenever something was changed.

| What | How |
|---|---|
| replica | reachable; required and optional tables and columns; the mapping files run on it; indexes on ModifiedOn; lag |
| e-mail | addresses that several user profiles share (trimmed, without regard to case, blank ones apart), against `email_mode` |
| orders | what each order status becomes, how many orders have it, which would be skipped |
| ledger | reachable, of this version, writable, in a database of its own |
| ODP | address, key, region, and which APIs the key's usage plan lets it use |
| schema | objects, fields, identifier and relations; what is missing is created, unless `create_schema` is off or with `DryRun` |
| CSV | the bucket of exports whose `transport` is `csv` can be reached |
| Airflow | the exports' DAGs are there and unpaused |

Nothing else is written: ODP's upload APIs are asked with an empty list. Limits and quotas of a usage plan cannot be seen so. Once
in each run, UserProfile and CustomerOrder are read whole to count addresses and statuses.

#### The report

Open the task and its tab *Rendered Templates*: the field `report`, worst first, each line with its remedy. The same is in the
log, and as JSON in the tab *Storage*, *XCom* (`verdict`, `counts`, `impossible_exports`, `findings`). Personal data is masked.

The run **fails** when an export could not work, and names which. It passes with warnings otherwise.

Settings: Airflow Variable `odp_settings`.
"""

INITIAL_LOAD_DOC = """\
### ODP Initial Load

One click: the checks of `odp_preflight`, then all exports with everything they have (no window), each by its own DAG, in the
order warehouses, products, businesses, profiles, links, orders. What others refer to is in ODP before them.

Before it, unpause the exports; a paused one never begins a run, so the preflight stops here and says which. With `DryRun`
everything is rehearsed but the sending, and nothing is created in ODP.

#### Follow it

Each export is one task here. Its link *Triggered DAG* leads to the export's own run (`initial_load__...`): rows extracted,
delivered and rejected are in its task `reconcile`. A step that waits holds no worker; the triggerer must run.

#### Go on after a failure

The failed step is red and the later ones have not begun. Mend what the export's own run names, then clear the red task here, with
its downstream tasks. A run that failed begins anew, and sends only what ODP has not acknowledged; a run that somebody has cleared
in the export's own DAG is waited for, or counts as done. Steps that succeeded do not run again. A step is never sent twice by
triggering this DAG anew either: what ODP has acknowledged counts as unchanged.
"""


def render_doc_md(export: Export, page: str) -> str:
    """
    Render an export's documentation as Markdown.

    :param export: the export.
    :param page: address of the export's page in Airflow's UI, relative to Airflow's own.
    """
    contract = export.contract
    key = " + ".join(contract.key) + (" + action" if contract is Order else "")
    lines = [
        f"### {export.title}",
        "",
        export.summary,
        "",
        *((f"Replaces Commerce's post processor `{export.post_processor}`.", "") if export.post_processor else ()),
        "| | |",
        "|---|---|",
        f"| Reads | {', '.join(export.tables)} (connection `commerce_db`) |",
        f"| Mapping | `include/sql/{export.sql}`: column alias = ODP field |",
        f"| Sends to | {' and '.join(f'`POST /v3{path}`' for path in export.targets)} (connection `odp_default`) |",
        f"| Record key | {key} |",
        f"| Selects by | {export.selects_by}, start <= time < end, in UTC |",
        "| Settings | Airflow Variable `odp_settings`; its part `exports` for this export alone |",
        "| More fields | columns added to the mapping, and custom properties (`docs/custom-properties.md`) |",
        f"| Schedule | {'once a day' if export.schedule else 'none'}, unless `include/schedules.json` says otherwise |",
        "| Tells | those in the setting `notify` how runs end, and that one is late if it has a `deadline` |",
        "",
        "#### Parameters",
        "",
        "| Parameter | Meaning |",
        "|---|---|",
        *(f"| `{parameter.name}` | {parameter.description} |" for parameter in PARAMETERS),
        "",
        "A run triggered by hand without parameters exports **everything**. Backfill runs export their data interval (one day),",
        "and so do scheduled runs, unless a setting lets them reach further back: `look_back_days`, or `window_mode`",
        "`since_last_success`, with which they begin where earlier runs have covered everything. Parameters win over both.",
        "",
        f"Ready-made, checked before they are sent: [last 24 hours]({page}/run?LookBackDays=1),",
        f"[last 7 days]({page}/run?LookBackDays=7), [last 30 days]({page}/run?LookBackDays=30),",
        f"[a dry run of everything]({page}/run?DryRun=true), [everything]({page}/run).",
        f"[What was exported, and the gaps]({page}).",
        "",
        "#### Run it again",
        "",
        "Clear a failed task to go on from there; clear `extract` to read the window anew. To export a range again, trigger the",
        "DAG with `StartDate` and `EndDate`, or day by day:",
        "",
        f"    airflow backfill create --dag-id {export.dag_id} --from-date 2026-11-01 --to-date 2026-11-07",
        "",
        "What to do about rejects, uncertain orders, missed runs and each error message: `docs/operations.md`.",
        "",
        "#### Fields",
        "",
        *field_table(contract),
    ]
    if contract is UserEvent:
        lines += ["", "#### Events", "", "| Event | Commerce's sender | Needs |", "|---|---|---|"]
        lines += [f"| {kind} | {kind.sender} | {', '.join(kind.needs)} |" for kind in EVENT_KINDS]
    return "\n".join(lines) + "\n"


def field_table(contract: type[Record]) -> list[str]:
    """
    Render the fields of a contract as the lines of a table in Markdown.

    :param contract: an export's contract.
    """
    lines = [
        "| ODP field | Kind | Read from |",
        "|---|---|---|",
        *(f"| `{f.name}` | {f.kind.name}{', required' if f.required else ''} | {f.source} |" for f in contract_fields(contract)),
    ]
    if contract is Order:
        lines += [f"| `items[].{f.name}` | {f.kind.name} | {f.source} |" for f in contract_fields(OrderItem)]
    return lines
