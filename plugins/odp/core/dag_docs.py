"""The documentation of an export's DAG, rendered from its entry: what Airflow shows as the DAG's docs."""

from __future__ import annotations

from odp.core.commerce import READS
from odp.core.contract import contract_fields
from odp.core.exports import Export
from odp.core.parameters import PARAMETERS
from odp.core.records import Order, OrderItem

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
next run of the order export sends it).
"""

CONSISTENCY_DOC = """\
### ODP Consistency

The safety net under the exports: for each of them, the whole source is read as the export would read it and compared with what
ODP has acknowledged (the ledger), and a random sample is read back from ODP, field by field.

| Found | Meaning | `Repair` |
|---|---|---|
| missing | in the source, never acknowledged by ODP | sends it |
| changed | ODP acknowledged another content; of an order, its latest state | sends it |
| pending | missing or changed since the last run of the export, whose next run sends it | |
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


def render_doc_md(export: Export) -> str:
    """
    Render an export's documentation as Markdown.

    :param export: the export.
    """
    contract = export.contract
    tables = [table for file in (export.sql, *export.lookups.values()) for table in READS[file]]
    key = " + ".join(contract.key) + (" + action" if contract is Order else "")
    lines = [
        f"### {export.title}",
        "",
        export.summary,
        "",
        f"Replaces Commerce's post processor `{export.post_processor}`.",
        "",
        "| | |",
        "|---|---|",
        f"| Reads | {', '.join(tables)} (connection `commerce_db`) |",
        f"| Mapping | `include/sql/{export.sql}`: column alias = ODP field |",
        f"| Sends to | `POST /v3{export.path}` (connection `odp_default`) |",
        f"| Record key | {key} |",
        "| Selects by | `ModifiedOn` of the row or of rows that belong to it, start <= ModifiedOn < end, in UTC |",
        "| Settings | Airflow Variable `odp_settings` |",
        "",
        "#### Parameters",
        "",
        "| Parameter | Meaning |",
        "|---|---|",
        *(f"| `{parameter.name}` | {parameter.description} |" for parameter in PARAMETERS),
        "",
        "A run triggered by hand without parameters exports **everything**. Scheduled and backfill runs export their data",
        "interval (one day), unless parameters say otherwise. With the setting `window_mode` `since_last_success`, scheduled runs",
        "begin where earlier runs have covered everything.",
        "",
        "#### Run it again",
        "",
        "Clear a failed task to go on from there; clear `extract` to read the window anew. To export a range again, trigger the",
        "DAG with `StartDate` and `EndDate`, or day by day:",
        "",
        f"    airflow backfill create --dag-id {export.dag_id} --from-date 2026-11-01 --to-date 2026-11-07",
        "",
        "#### Fields",
        "",
        "| ODP field | Kind | Read from |",
        "|---|---|---|",
        *(f"| `{f.name}` | {f.kind.name}{', required' if f.required else ''} | {f.source} |" for f in contract_fields(contract)),
    ]
    if contract is Order:
        lines += [f"| `items[].{f.name}` | {f.kind.name} | {f.source} |" for f in contract_fields(OrderItem)]
    return "\n".join(lines) + "\n"
