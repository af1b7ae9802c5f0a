"""The extract stage."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from odp.core.parameters import read_ids
from odp.core.window import Window
from odp.operators.commerce import CommerceReadOperator

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from airflow.sdk import Context

    from odp.core.ledger import Ledger


class CommerceExtractOperator(CommerceReadOperator):
    """
    Read the rows of a window from the Commerce replica into staged parts.

    :param window_start: first ModifiedOn to read: ISO 8601 or ``-infinity``. (templated)
    :param window_end: first ModifiedOn not to read: ISO 8601 or ``infinity``. (templated)
    :return: one entry per part (its number, file and rows), over which transform is mapped.
    """

    template_fields: Sequence[str] = (*CommerceReadOperator.template_fields, "window_start", "window_end")

    def __init__(self, *, window_start: str, window_end: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window_start = window_start
        self.window_end = window_end

    def run_stage(self, context: Context) -> list[dict[str, Any]]:
        """
        Extract the window, for each account.

        :raises AirflowFailException: if the replica lacks something required, or parameters or settings are wrong.
        """
        from odp.core.accounts import MANIFEST, account_connections, refuse_same_account

        ids = read_ids(context["params"].get("Ids"))
        if not self.settings.accounts:
            return self.extract_entities(context, ids)
        parts: list[dict[str, Any]] = []
        failed: dict[str, str] = {}
        names: dict[str, str] = {}
        for connection in self.each_account():
            assert connection is not None  # noqa: S101 - there are several
            try:
                name = self.odp_hook.account
                refuse_same_account(names, connection, name)
                names[connection] = name
                parts += [{**part, "account": connection} for part in self.extract_entities(context, ids)]
            except Exception as error:
                # An account that cannot be worked for does not stop the others; reconcile fails the run.
                if self.may_retry(context, error) or len(failed) + 1 == len(account_connections(self.settings)):
                    raise
                self.log.exception("Nothing is extracted for the account %s", connection)
                self.note_failure(context, error)
                failed[connection] = f"extract: {error}"
        self.staging(context).write_json(MANIFEST, {"accounts": list(account_connections(self.settings)), "failed": failed})
        return parts

    def extract_entities(
        self, context: Context, ids: Sequence[str] | None, *, by_entity_id: bool = False
    ) -> list[dict[str, Any]]:
        """
        Extract the window, or some entities of it.

        :param context: the task's context.
        :param ids: only these entities; ``None`` for all.
        :param by_entity_id: whether they are Commerce's ids, all of them, rather than natural keys.
        """
        from odp.core.run_history import start_run
        from odp.core.run_progress import count_extracted

        window = Window.from_texts(self.window_start, self.window_end)
        with self.open_ledger() as ledger:
            dry_run = bool(context["params"].get("DryRun"))
            start_run(ledger, self.run_name(context), window, ids, dry_run=dry_run)
            retried = [] if dry_run else self._retried(ledger, ids)
        parts = self.read_source(context, window, self.staging(context), ids=ids, by_entity_id=by_entity_id, retried=retried)
        with self.open_ledger() as ledger:
            count_extracted(ledger, self.run_name(context), parts)
        self.log.info(
            "Extracted %s rows modified from %s to %s, in %s parts",
            sum(part["rows"] for part in parts),
            self.window_start,
            self.window_end,
            len(parts),
        )
        from airflow.sdk.configuration import conf

        if len(parts) > conf.getint("core", "max_map_length") // 2:
            self.log.warning(
                "Parts grew to %s rows, since a task cannot be mapped over more than core.max_map_length of them. For exports of "
                "this size raise part_rows and part_megabytes in odp_settings, so that all parts are of one size.",
                max(part["rows"] for part in parts),
            )
        return parts

    def _retried(self, ledger: Ledger, ids: Sequence[str] | None) -> list[str]:
        """Settle what earlier runs left open, and list the entities that this run has to read again."""
        from odp.core.event_claims import EventClaims
        from odp.core.run_history import open_reject_ids
        from odp.core.uncertain import resolver_of, settle_open_claims

        released: list[str] = []
        if self.export.family == "events":
            resolver = resolver_of(self.export, self.odp_hook.get_client(), self.settings)
            claims = settle_open_claims(EventClaims(ledger), resolver)
            released = [claim.record_key for claim in claims if ids is None or claim.record_key in ids]
        retried = list(dict.fromkeys([*open_reject_ids(ledger, ids), *released]))
        if retried:
            self.log.info("Reading %s entities again that earlier runs could not deliver", len(retried))
        return retried

    @cached_property
    def commerce_hook(self) -> PostgresHook:
        """The hook of the replica."""
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        return PostgresHook(postgres_conn_id=self.commerce_conn_id)

    def get_openlineage_facets_on_start(self) -> OperatorLineage:
        """Return the tables that are read and the files they are staged in, for Airflow's OpenLineage provider."""
        from airflow.providers.openlineage.extractors import OperatorLineage

        from odp.lineage import replica_tables, staged_files

        return OperatorLineage(
            inputs=replica_tables(self.commerce_hook, self.export), outputs=[staged_files(self.staging_root(), self.export)]
        )
