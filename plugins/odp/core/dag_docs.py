"""The documentation of an export's DAG, rendered from its entry: what Airflow shows as the DAG's docs."""

from __future__ import annotations

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


def render_doc_md(export: Export) -> str:
    """
    Render an export's documentation as Markdown.

    :param export: the export.
    """
    contract = export.contract
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
        f"| Reads | {', '.join(export.tables)} (connection `commerce_db`) |",
        f"| Mapping | `include/sql/{export.sql}`: column alias = ODP field |",
        f"| Sends to | {' and '.join(f'`POST /v3{path}`' for path in export.targets)} (connection `odp_default`) |",
        f"| Record key | {key} |",
        "| Selects by | `ModifiedOn` of the row or of rows that belong to it, start <= ModifiedOn < end, in UTC |",
        "| Settings | Airflow Variable `odp_settings`; its part `exports` for this export alone |",
        "| Schedule | once a day, unless `include/schedules.json` says otherwise |",
        "| Tells | those in the setting `notify` how runs end, and that one is late if it has a `deadline` |",
        "",
        "#### Parameters",
        "",
        "| Parameter | Meaning |",
        "|---|---|",
        *(f"| `{parameter.name}` | {parameter.description} |" for parameter in PARAMETERS),
        "",
        "A run triggered by hand without parameters exports **everything**. Backfill runs export their data interval (one day),",
        "and so do scheduled runs, unless the setting `look_back_days` lets them reach further back. Parameters win over both.",
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
        "| ODP field | Kind | Read from |",
        "|---|---|---|",
        *(f"| `{f.name}` | {f.kind.name}{', required' if f.required else ''} | {f.source} |" for f in contract_fields(contract)),
    ]
    if contract is Order:
        lines += [f"| `items[].{f.name}` | {f.kind.name} | {f.source} |" for f in contract_fields(OrderItem)]
    return "\n".join(lines) + "\n"
