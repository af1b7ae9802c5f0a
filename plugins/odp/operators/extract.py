"""The extract stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from odp.core.parameters import read_ids
from odp.core.window import Window
from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Context

    from odp.core.ledger import Ledger


class CommerceExtractOperator(ExportStageOperator):
    """
    Read the rows of a window from the Commerce replica into staged parts.

    :param sql: the mapping file, a name under the DAG's ``template_searchpath``, or its text. (templated)
    :param lookups: small side queries by name, read in the same snapshot. (templated)
    :param window_start: first ModifiedOn to read: ISO 8601 or ``-infinity``. (templated)
    :param window_end: first ModifiedOn not to read: ISO 8601 or ``infinity``. (templated)
    :param commerce_conn_id: PostgreSQL connection to the replica; its search_path names the schema. (templated)
    :return: one entry per part (its number, file and rows), over which transform is mapped.
    """

    template_fields: Sequence[str] = (
        *ExportStageOperator.template_fields,
        "sql",
        "lookups",
        "window_start",
        "window_end",
        "commerce_conn_id",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql", "lookups": "json"}

    def __init__(
        self,
        *,
        sql: str,
        window_start: str,
        window_end: str,
        lookups: Mapping[str, str] | None = None,
        commerce_conn_id: str = "commerce_db",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.lookups = lookups
        self.window_start = window_start
        self.window_end = window_end
        self.commerce_conn_id = commerce_conn_id

    def run_stage(self, context: Context) -> list[dict[str, Any]]:
        """
        Extract the window.

        :raises AirflowFailException: if the replica lacks something required, or parameters or settings are wrong.
        """
        from odp.core.extract import Selection, extract
        from odp.core.run_history import start_run

        dag_run = context["dag_run"]
        selection = Selection(
            window=Window.from_texts(self.window_start, self.window_end),
            ids=read_ids(context["params"].get("Ids")),
            as_of=dag_run.start_date or dag_run.run_after,
        )
        with self.open_ledger() as ledger:
            dry_run = bool(context["params"].get("DryRun"))
            start_run(ledger, context["run_id"], selection.window, selection.ids, dry_run=dry_run)
            retried = [] if dry_run else self._retried(ledger, selection.ids)
        with self._connect() as connection:
            parts = extract(
                connection,
                self.export,
                self.sql,
                self.lookups or {},
                selection,
                self.settings,
                self.staging(context),
                retried=retried,
            )
        self.log.info(
            "Extracted %s rows modified from %s to %s, in %s parts",
            sum(part["rows"] for part in parts),
            self.window_start,
            self.window_end,
            len(parts),
        )
        return parts

    def _retried(self, ledger: Ledger, ids: Sequence[str] | None) -> list[str]:
        """Settle what earlier runs left open, and list the entities that this run has to read again."""
        from odp.core.event_claims import EventClaims
        from odp.core.run_history import open_reject_ids
        from odp.core.uncertain import Resolver, settle_open_claims

        released: list[str] = []
        if self.export.family == "events":
            delay = timedelta(minutes=self.settings.visibility_delay_minutes)
            claims = settle_open_claims(EventClaims(ledger), Resolver(self.odp_hook.get_client(), delay))
            released = [claim.record_key for claim in claims if ids is None or claim.record_key in ids]
        retried = list(dict.fromkeys([*open_reject_ids(ledger, ids), *released]))
        if retried:
            self.log.info("Reading %s entities again that earlier runs could not deliver", len(retried))
        return retried

    def _connect(self) -> psycopg.Connection[Any]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        return PostgresHook(postgres_conn_id=self.commerce_conn_id).get_conn()  # type: ignore[return-value]
