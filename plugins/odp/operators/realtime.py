"""Real time: deliver what has changed, by the stages of the exports, in one task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from odp.core.exceptions import RealTimeError, TooManyRejectsError
from odp.core.window import OPEN_END, OPEN_START
from odp.operators.base import ExportStageOperator, OdpOperator
from odp.operators.extract import CommerceExtractOperator
from odp.operators.load import OdpLoadOperator
from odp.operators.reconcile import OdpReconcileOperator
from odp.operators.transform import OdpTransformOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from odp.core.change_queue import ChangeQueue


class OdpRealTimeOperator(OdpOperator):
    """
    Deliver the changes that wait in the ledger: extract, transform, load and reconcile, export after export.

    One task does it all, since starting a task takes longer than delivering a few changes does. An export that fails does not
    stop the others: its changes stay in the ledger, and a later run tries them again.

    :param sources: mapping file (``sql``) and side queries (``lookups``) of each export, by its id; delivered in this order.
        (templated)
    :param commerce_conn_id: PostgreSQL connection to the replica; its search_path names the schema. (templated)
    :return: the counts of each export that had changes.
    """

    template_fields: Sequence[str] = (*OdpOperator.template_fields, "sources", "commerce_conn_id")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sources": "json"}

    def __init__(self, *, sources: Mapping[str, Mapping[str, Any]], commerce_conn_id: str = "commerce_db", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = sources
        self.commerce_conn_id = commerce_conn_id

    def run_stage(self, context: Context) -> dict[str, dict[str, int]]:
        """
        Deliver.

        :raises AirflowSkipException: if nothing waits, as when an earlier run has taken it.
        :raises TooManyRejectsError: if more rows were rejected than ``max_reject_ratio`` allows.
        :raises RealTimeError: if changes could not be delivered.
        """
        from odp.core.accounts import refuse_several

        refuse_several(self.settings, "odp_realtime")
        delivered: dict[str, dict[str, int]] = {}
        rejects: list[TooManyRejectsError] = []
        failed: dict[str, Exception] = {}
        with ExitStack() as ledgers:
            for export_id, (queue, entities) in self._take(context, ledgers).items():
                try:
                    delivered[export_id] = self._deliver(context, export_id, queue, entities)
                except TooManyRejectsError as error:
                    rejects.append(error)
                except Exception as error:
                    self.log.exception("The changes of %s could not be delivered", export_id)
                    failed[export_id] = error
        if failed:
            raise RealTimeError(
                f"Changes of {', '.join(failed)} could not be delivered. The first error: {next(iter(failed.values()))}",
                "They wait in the ledger, and a later run tries them again by itself; the waits grow to 15 minutes.",
            )
        if rejects:
            raise rejects[0]
        if not delivered:
            raise AirflowSkipException("No change waits to be delivered: an earlier run has taken them.")
        return delivered

    def _take(self, context: Context, ledgers: ExitStack) -> dict[str, tuple[ChangeQueue, list[str]]]:
        """Take the changes of all exports at once, so that the trigger knows which ones need another run."""
        from odp.core.change_queue import ChangeQueue

        taken = {}
        for export_id in self.sources:
            if self.settings.for_export(export_id).realtime:
                stage = self._stage(export_id)
                queue = ChangeQueue(ledgers.enter_context(stage.open_ledger()))
                taken[export_id] = (queue, queue.take(stage.run_name(context), self.settings.realtime_batch_size))
        for queue, _ in taken.values():
            queue.tell_taken()
        return {export_id: (queue, entities) for export_id, (queue, entities) in taken.items() if entities}

    def _deliver(self, context: Context, export_id: str, queue: ChangeQueue, entities: Sequence[str]) -> dict[str, int]:
        """Deliver the changes of one export; return its counts."""
        from odp.core.run_history import COUNTS

        stage = self._stage(export_id)
        run_id = stage.run_name(context)
        self.log.info("%s: %s entities have changed", export_id, len(entities))
        try:
            summary = self._run_stages(context, export_id, entities)
        except TooManyRejectsError:
            queue.finish(run_id)  # each is accounted for: the rejects are kept, and the export's later runs try them again
            raise
        except Exception:
            self.log.warning("%s is tried again in %s", export_id, queue.fail(run_id))
            raise
        if again := queue.finish(run_id):
            self.log.info("%s: %s entities are looked at once more when other runs of it have ended", export_id, again)
        stage.staging(context).clear()
        return {name: summary[name] for name in COUNTS}

    def _run_stages(self, context: Context, export_id: str, entities: Sequence[str]) -> dict[str, Any]:
        common = {"export_id": export_id, **self._connections}
        extract = CommerceExtractOperator(
            task_id="extract",
            window_start=OPEN_START,
            window_end=OPEN_END,
            commerce_conn_id=self.commerce_conn_id,
            **self.sources[export_id],
            **common,
        )
        stage: ExportStageOperator = extract
        try:
            parts = extract.extract_entities(context, entities, by_entity_id=True)
            transformed, loaded = [], []
            for part in parts:
                stage = transform = OdpTransformOperator(task_id="transform", part=part, **common)
                transformed.append(transform.run_stage(context))
                stage = load = OdpLoadOperator(task_id="load", transformed=transformed[-1], **common)
                loaded.append(load.run_stage(context))
            stage = reconcile = OdpReconcileOperator(
                task_id="reconcile", transformed=transformed, loaded=loaded, reads_back=False, **common
            )
            return reconcile.run_stage(context)
        except TooManyRejectsError:
            raise  # reconcile has written it down
        except Exception as error:
            stage.note_failure(context, error)
            raise

    def _stage(self, export_id: str) -> ExportStageOperator:
        return ExportStageOperator(task_id="take", export_id=export_id, **self._connections)

    @property
    def _connections(self) -> dict[str, str]:
        return {"odp_conn_id": self.odp_conn_id, "ledger_conn_id": self.ledger_conn_id}
