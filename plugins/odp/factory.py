"""The one factory of all export DAGs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, Param

from odp.core.dag_docs import render_doc_md
from odp.core.exports import Export
from odp.core.parameters import PARAMETERS
from odp.notifier import OdpNotifier
from odp.operators.extract import CommerceExtractOperator
from odp.operators.links import page_address
from odp.operators.load import OdpLoadOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator
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
        doc_md=render_doc_md(export, page_address(export.dag_id)),
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
