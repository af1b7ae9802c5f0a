"""What the stages of an export share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowFailException

from odp.core.exceptions import CannotSucceedError
from odp.core.exports import Export, get_export
from odp.core.settings import VARIABLE_NAME, Settings, read_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from odp.core.ledger import Ledger
    from odp.core.staging import Staging
    from odp.hooks.odp import OdpHook


class ExportStageOperator(BaseOperator):
    """
    Base of the stages: settings, staging, and errors that a retry cannot mend.

    :param export_id: id of the export's DAG, such as ``product_odp_export``. (templated)
    :param odp_conn_id: connection to the ODP account. (templated)
    :param ledger_conn_id: PostgreSQL connection to the ledger. (templated)
    """

    template_fields: Sequence[str] = ("export_id", "odp_conn_id", "ledger_conn_id")

    def __init__(
        self, *, export_id: str, odp_conn_id: str = "odp_default", ledger_conn_id: str = "odp_ledger", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.odp_conn_id = odp_conn_id
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> Any:
        """
        Run the stage.

        :raises AirflowFailException: for errors that a retry cannot mend.
        """
        try:
            return self.run_stage(context)
        except CannotSucceedError as error:
            raise AirflowFailException(str(error)) from error

    def run_stage(self, context: Context) -> Any:
        """Do the work of the stage; implemented by each operator."""
        raise NotImplementedError

    @property
    def export(self) -> Export:
        """The export this stage belongs to."""
        return get_export(self.export_id)

    @cached_property
    def settings(self) -> Settings:
        """The team's settings, from the Variable ``odp_settings``."""
        return read_settings(Variable.get(VARIABLE_NAME, default=None))

    @cached_property
    def odp_hook(self) -> OdpHook:
        """The hook of the ODP account."""
        from odp.hooks.odp import OdpHook

        return OdpHook(self.odp_conn_id)

    def open_ledger(self) -> Ledger:
        """
        Return the export's ledger for the ODP account, to be used as a context manager.

        :raises LedgerError: if the connection is missing.
        """
        from odp.core.ledger import Ledger
        from odp.hooks.ledger import connect_to_ledger

        return Ledger(connect_to_ledger(self.ledger_conn_id), self.odp_hook.account, self.export_id)

    def staging(self, context: Context) -> Staging:
        """
        Return the staged files of the run.

        :param context: the task's context.
        """
        from odp.core.staging import Staging

        return Staging(self._staging_root(), context["dag"].dag_id, context["run_id"])

    def _staging_root(self) -> Any:
        from airflow.configuration import AIRFLOW_HOME

        location = self.settings.staging or f"{AIRFLOW_HOME}/odp_staging"
        if location.startswith("file://"):
            return Path(location.removeprefix("file://"))
        return ObjectStoragePath(location) if "://" in location else Path(location)
