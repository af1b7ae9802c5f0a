"""The one factory of all export DAGs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from odp.core.dag_docs import MAINTENANCE_DOC, render_doc_md
from odp.core.exports import Export
from odp.core.parameters import PARAMETERS
from odp.operators.extract import CommerceExtractOperator
from odp.operators.load import OdpLoadOperator
from odp.operators.maintenance import OdpMaintenanceOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator
from odp.sql_files import SQL_DIR


def build_export_dag(export: Export) -> DAG:
    """
    Build the DAG of an export: extract, transform, load, reconcile.

    :param export: the export.
    :return: a DAG with one run at a time, so that two runs of an export do not race, and without catchup.
    """
    with DAG(
        dag_id=export.dag_id,
        dag_display_name=export.title,
        description=export.summary,
        doc_md=render_doc_md(export),
        schedule=CronDataIntervalTimetable(export.schedule, timezone="UTC"),
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        params={
            parameter.name: Param(parameter.default, title=parameter.title, description=parameter.description, **parameter.schema)
            for parameter in PARAMETERS
        },
        template_searchpath=SQL_DIR,
        tags=list(export.tags),
        default_args={"owner": "commerce", "retries": 3, "retry_delay": timedelta(minutes=1)},
    ) as dag:
        extract = CommerceExtractOperator(
            task_id="extract",
            export_id=export.dag_id,
            sql=export.sql,
            lookups=dict(export.lookups),
            window_start="{{ macros.odp.window_start(dag_run, params, task) }}",
            window_end="{{ macros.odp.window_end(dag_run, params) }}",
        )
        transform = OdpTransformOperator.partial(task_id="transform", export_id=export.dag_id).expand(part=extract.output)
        load = OdpLoadOperator.partial(task_id="load", export_id=export.dag_id).expand(transformed=transform.output)
        OdpReconcileOperator(
            task_id="reconcile",
            export_id=export.dag_id,
            transformed=transform.output,
            loaded=load.output,
            trigger_rule="none_failed",
        )
    return dag


def build_maintenance_dag() -> DAG:
    """
    Build the daily DAG that removes what is past its age and releases uncertain events that a person has looked up.

    :return: the DAG ``odp_maintenance``.
    """
    orders: dict[str, Any] = {"type": ["null", "array"], "items": {"type": "string"}}
    with DAG(
        dag_id="odp_maintenance",
        dag_display_name="ODP Maintenance",
        description="Removes staged files, closed rejects and run history past their age; releases uncertain events.",
        doc_md=MAINTENANCE_DOC,
        schedule=CronDataIntervalTimetable("30 3 * * *", timezone="UTC"),
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        params={
            "DeliveredOrders": Param(
                None,
                title="Uncertain orders that are in ODP",
                description="Order numbers, one a line: their open events are never sent again.",
                **orders,
            ),
            "NotDeliveredOrders": Param(
                None,
                title="Uncertain orders that are not in ODP",
                description="Order numbers, one a line: the next run of the order export sends their events.",
                **orders,
            ),
        },
        tags=["odp", "commerce"],
        default_args={"owner": "commerce", "retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:
        OdpMaintenanceOperator(task_id="maintain")
    return dag
