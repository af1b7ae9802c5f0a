"""The DAGs around the exports: preflight, initial load, real time, consistency, maintenance."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, BaseOperator, Param, TaskGroup

from odp.core.dag_docs import CONSISTENCY_DOC, INITIAL_LOAD_DOC, MAINTENANCE_DOC, PREFLIGHT_DOC, REAL_TIME_DOC
from odp.core.exports import EXPORTS, Export
from odp.notifier import OdpNotifier
from odp.operators.consistency import OdpCompareOperator, OdpConsistencyVerdictOperator, OdpDeactivateOperator
from odp.operators.load import OdpLoadOperator
from odp.operators.maintenance import OdpMaintenanceOperator
from odp.operators.preflight import OdpPreflightOperator
from odp.operators.realtime import OdpRealTimeOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.repair import OdpRepairExtractOperator, OdpRepairSensor
from odp.operators.transform import OdpTransformOperator
from odp.operators.trigger_export import TriggerExportOperator
from odp.schedules import read_schedules
from odp.sql_files import SQL_DIR
from odp.triggers.changes import CommerceChangesTrigger


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
        on_success_callback=OdpNotifier("success"),
        on_failure_callback=OdpNotifier("failure"),
        template_searchpath=SQL_DIR,
        params={"DryRun": _dry_run("Check only: create nothing in ODP's schema, whatever create_schema says.")},
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
        on_success_callback=OdpNotifier("success"),
        on_failure_callback=OdpNotifier("failure"),
        template_searchpath=SQL_DIR,
        params={"DryRun": _dry_run("Rehearse: everything but the sending. Each export's own run shows counts and rejects.")},
        tags=["odp", "commerce"],
        default_args={"owner": "commerce", "retry_delay": timedelta(minutes=1)},
    ) as dag:
        previous: BaseOperator = OdpPreflightOperator(task_id="preflight", needs_unpaused=True)
        for export in EXPORTS:
            step = TriggerExportOperator(
                task_id=export.dag_id,
                task_display_name=export.title,
                export_id=export.dag_id,
                trigger_run_id="initial_load__{{ run_id }}",
                passed_params=["DryRun"],
                retries=3,
            )
            previous >> step
            previous = step
    return dag


def _dry_run(description: str) -> Param:
    return Param(False, title="Dry run", description=description, type="boolean")


def build_realtime_dag() -> DAG:
    """
    Build the DAG that delivers what changes in Commerce, as soon as it is seen in the replica.

    :return: the DAG ``odp_realtime``, with one run at a time; what changes during a run is carried by the next one.
    """
    changes = Asset("commerce_changes", watchers=[AssetWatcher(name="commerce_changes", trigger=CommerceChangesTrigger())])
    with DAG(
        dag_id="odp_realtime",
        dag_display_name="ODP Real Time",
        description="Delivers what changes in Commerce, between the daily runs of the exports.",
        doc_md=REAL_TIME_DOC,
        schedule=[changes],
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        # Nobody wants to be told of each run that succeeds: there may be thousands a day.
        on_failure_callback=OdpNotifier("failure"),
        template_searchpath=SQL_DIR,
        tags=["odp", "commerce"],
        # Not repeated by Airflow: what could not be delivered waits in the ledger and does not hold up what comes after it.
        default_args={"owner": "commerce", "retries": 0},
    ) as dag:
        OdpRealTimeOperator(
            task_id="deliver",
            sources={export.dag_id: {"sql": export.sql, "lookups": dict(export.lookups)} for export in EXPORTS},
        )
    return dag


def build_consistency_dag() -> DAG:
    """
    Build the weekly DAG that compares what ODP has with the source and, if it is told to, repairs the difference.

    :return: the DAG ``odp_consistency``.
    """
    export_ids = [export.dag_id for export in EXPORTS]
    schedules = read_schedules()
    with DAG(
        dag_id="odp_consistency",
        dag_display_name="ODP Consistency",
        description="Compares the whole source of each export with what ODP has acknowledged, and a sample with what it holds.",
        doc_md=CONSISTENCY_DOC,
        # When the day's runs are over.
        schedule=schedules.timetable("odp_consistency", "0 6 * * 0"),
        deadline=schedules.deadline("odp_consistency"),
        start_date=datetime(2020, 1, 1, tzinfo=timezone.utc),
        catchup=False,
        max_active_runs=1,
        on_success_callback=OdpNotifier("success"),
        on_failure_callback=OdpNotifier("failure"),
        # Two large sources at a time are enough for the replica.
        max_active_tasks=2,
        params={
            "Exports": Param(
                None,
                title="Only these exports",
                description="Ids of exports; empty for all.",
                type=["null", "array"],
                items={"type": "string", "enum": export_ids},
                examples=export_ids,
            ),
            "Repair": Param(
                None,
                title="Repair",
                description="Send what is missing or changed, once no run of the export is under way. "
                "Empty: as the setting consistency_repair says.",
                type=["null", "boolean"],
            ),
            "Deactivate": Param(
                None,
                title="Deactivate",
                description="Send is_active false for records that the source no longer has. "
                "Empty: as the setting consistency_deactivate says.",
                type=["null", "boolean"],
            ),
        },
        template_searchpath=SQL_DIR,
        tags=["odp", "commerce"],
        default_args={"owner": "commerce", "retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:
        stages = [_compare_and_repair(export) for export in EXPORTS]
        compared, repaired, deactivated = zip(*stages, strict=True)
        OdpConsistencyVerdictOperator(
            task_id="verdict",
            exports=export_ids,
            compared=list(compared),
            repaired=list(repaired),
            deactivated=list(deactivated),
            trigger_rule="all_done",
        )
    return dag


def _compare_and_repair(export: Export) -> tuple[Any, Any, Any]:
    """Build the stages of one export in odp_consistency; return what its comparison, repair and marking come to."""
    source: dict[str, Any] = {"sql": export.sql, "lookups": dict(export.lookups)}
    with TaskGroup(group_id=export.dag_id, tooltip=export.summary):
        compare = OdpCompareOperator(task_id="compare", export_id=export.dag_id, **source)
        wait = OdpRepairSensor(
            task_id="wait_for_export", export_id=export.dag_id, compared=compare.output, mode="reschedule", poke_interval=60
        )
        extract = OdpRepairExtractOperator(task_id="extract", export_id=export.dag_id, **source)
        transform = OdpTransformOperator.partial(task_id="transform", export_id=export.dag_id).expand(part=extract.output)
        load = OdpLoadOperator.partial(task_id="load", export_id=export.dag_id).expand(transformed=transform.output)
        reconcile = OdpReconcileOperator(
            task_id="reconcile",
            export_id=export.dag_id,
            transformed=transform.output,
            loaded=load.output,
            # After a repair that found nothing to send any more, too; not without a repair.
            trigger_rule="none_failed_min_one_success",
        )
        wait >> extract >> reconcile
        deactivate = OdpDeactivateOperator(task_id="deactivate", export_id=export.dag_id, compared=compare.output)
    return compare.output, reconcile.output, deactivate.output


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
                description="Order numbers, or keys of user events, one a line: their open events are never sent again.",
                **orders,
            ),
            "NotDeliveredOrders": Param(
                None,
                title="Uncertain orders that are not in ODP",
                description="Order numbers, or keys of user events, one a line: the next run of the export sends them.",
                **orders,
            ),
        },
        tags=["odp", "commerce"],
        default_args={"owner": "commerce", "retries": 2, "retry_delay": timedelta(minutes=5)},
    ) as dag:
        OdpMaintenanceOperator(task_id="maintain")
    return dag
