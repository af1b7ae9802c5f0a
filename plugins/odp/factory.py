"""The one factory of all export DAGs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, BaseOperator, Param

from odp.core.dag_docs import INITIAL_LOAD_DOC, MAINTENANCE_DOC, PREFLIGHT_DOC, render_doc_md
from odp.core.exports import EXPORTS, Export
from odp.core.parameters import PARAMETERS
from odp.notifier import OdpNotifier
from odp.operators.extract import CommerceExtractOperator
from odp.operators.load import OdpLoadOperator
from odp.operators.maintenance import OdpMaintenanceOperator
from odp.operators.preflight import OdpPreflightOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator
from odp.operators.trigger_export import TriggerExportOperator
from odp.schedules import read_schedules
from odp.sql_files import SQL_DIR


def build_export_dag(export: Export) -> DAG:
    """
    Build the DAG of an export: extract, transform, load, reconcile.

    :param export: the export.
    :return: a DAG with one run at a time, so that two runs of an export do not race, and without catchup.
    """
    schedules = read_schedules()
    with DAG(
        dag_id=export.dag_id,
        dag_display_name=export.title,
        description=export.summary,
        doc_md=render_doc_md(export),
        schedule=schedules.timetable(export.dag_id, export.schedule),
        deadline=schedules.deadline(export.dag_id),
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        on_success_callback=OdpNotifier("success"),
        on_failure_callback=OdpNotifier("failure"),
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
            window_start="{{ macros.odp.window_start(dag_run, params) }}",
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
    schedules = read_schedules()
    with DAG(
        dag_id="odp_maintenance",
        dag_display_name="ODP Maintenance",
        description="Removes staged files, closed rejects and run history past their age; releases uncertain events.",
        doc_md=MAINTENANCE_DOC,
        schedule=schedules.timetable("odp_maintenance", "30 3 * * *"),
        deadline=schedules.deadline("odp_maintenance"),
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        on_success_callback=OdpNotifier("success"),
        on_failure_callback=OdpNotifier("failure"),
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


def build_preflight_dag() -> DAG:
    """
    Build the DAG that checks, when it is triggered, whether the exports can work.

    :return: the DAG ``odp_preflight``.
    """
    with DAG(
        dag_id="odp_preflight",
        dag_display_name="ODP Preflight",
        description="Checks everything that the exports need, and creates what ODP's schema lacks.",
        doc_md=PREFLIGHT_DOC,
        schedule=None,
        max_active_runs=1,
        template_searchpath=SQL_DIR,
        tags=["odp", "commerce"],
        default_args={"owner": "commerce"},
    ) as dag:
        OdpPreflightOperator(task_id="preflight")
    return dag


def build_initial_load_dag() -> DAG:
    """
    Build the DAG of a first load: a preflight, then all exports without a window, what others refer to before them.

    :return: the DAG ``odp_initial_load``.
    """
    with DAG(
        dag_id="odp_initial_load",
        dag_display_name="ODP Initial Load",
        description="Checks everything, then exports everything: warehouses, products, businesses, profiles, links, orders.",
        doc_md=INITIAL_LOAD_DOC,
        schedule=None,
        max_active_runs=1,
        template_searchpath=SQL_DIR,
        params={
            "DryRun": Param(
                False,
                title="Dry run",
                description="Rehearse: everything but the sending. Counts and rejects show in each export's own run.",
                type="boolean",
            )
        },
        tags=["odp", "commerce"],
        default_args={"owner": "commerce", "retry_delay": timedelta(minutes=1)},
    ) as dag:
        previous: BaseOperator = OdpPreflightOperator(task_id="preflight", needs_unpaused=True)
        for export in EXPORTS:
            step = TriggerExportOperator(
                task_id=export.dag_id,
                task_display_name=export.title,
                trigger_dag_id=export.dag_id,
                trigger_run_id="initial_load__{{ run_id }}",
                conf='{"DryRun": {{ params.DryRun | tojson }}}',
                retries=3,
            )
            previous >> step
            previous = step
    return dag
