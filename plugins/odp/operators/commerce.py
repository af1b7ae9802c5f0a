"""What the stages that read the Commerce replica share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odp.core.window import Window
from odp.operators.base import ExportStageOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from odp.core.staging import Staging


class CommerceReadOperator(ExportStageOperator):
    """
    Base of the stages that read rows of an export from the Commerce replica.

    :param sql: the mapping file, a name under the DAG's ``template_searchpath``, or its text. (templated)
    :param lookups: queries beside it by name, read in the same snapshot. (templated)
    :param commerce_conn_id: PostgreSQL connection to the replica; its search_path names the schema. (templated)
    """

    template_fields: Sequence[str] = (*ExportStageOperator.template_fields, "sql", "lookups", "commerce_conn_id")
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers = {"sql": "sql", "lookups": "json"}

    def __init__(
        self,
        *,
        sql: str,
        lookups: Mapping[str, str] | None = None,
        commerce_conn_id: str = "commerce_db",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sql = sql
        self.lookups = lookups
        self.commerce_conn_id = commerce_conn_id

    def read_source(
        self,
        context: Context,
        window: Window,
        staging: Staging,
        *,
        ids: Sequence[str] | None = None,
        by_entity_id: bool = False,
        retried: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """
        Read a window from the replica into staged parts.

        :param context: the task's context.
        :param window: range of ModifiedOn.
        :param staging: where the parts go.
        :param ids: only these entities; ``None`` for all.
        :param by_entity_id: whether they are Commerce's ids, all of them.
        :param retried: entities that are read as well, in the window or not.
        """
        from airflow.sdk.configuration import conf

        from odp.core.accounts import account_connections
        from odp.core.extract import Selection, extract
        from odp.hooks.commerce import connect_to_commerce

        dag_run = context["dag_run"]
        as_of = dag_run.start_date or dag_run.run_after
        selection = Selection(window=window, ids=ids, as_of=as_of, by_entity_id=by_entity_id)
        with connect_to_commerce(self.commerce_conn_id) as connection:
            return extract(
                connection,
                self.export,
                self.sql,
                self.lookups or {},
                selection,
                self.settings,
                staging,
                retried=retried,
                max_parts=conf.getint("core", "max_map_length") // max(1, len(account_connections(self.settings))),
            )
