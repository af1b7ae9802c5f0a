"""What the stages of an export share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, ObjectStoragePath, Variable
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException, AirflowSkipException

from odp.core.exceptions import CannotSucceedError, SettingsError
from odp.core.exports import Export, get_export
from odp.core.settings import VARIABLE_NAME, Settings, Transport, read_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from odp.core.ledger import Ledger
    from odp.core.staging import Staging
    from odp.hooks.odp import OdpHook


class OdpOperator(BaseOperator):
    """
    Base of all operators of this package: connections, settings, staging, and errors that a retry cannot mend.

    :param odp_conn_id: connection to the ODP account. (templated)
    :param ledger_conn_id: PostgreSQL connection to the ledger. (templated)
    """

    template_fields: Sequence[str] = ("odp_conn_id", "ledger_conn_id")

    def __init__(self, *, odp_conn_id: str = "odp_default", ledger_conn_id: str = "odp_ledger", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.odp_conn_id = odp_conn_id
        self.ledger_conn_id = ledger_conn_id

    def execute(self, context: Context) -> Any:
        """
        Do the work.

        :raises AirflowFailException: for errors that a retry cannot mend.
        """
        try:
            return self.run_stage(context)
        except AirflowSkipException:
            raise
        except CannotSucceedError as error:
            self.note_failure(context, error)
            raise AirflowFailException(str(error)) from error
        except Exception as error:
            self.note_failure(context, error)
            raise

    def run_stage(self, context: Context) -> Any:
        """Do the work; implemented by each operator."""
        raise NotImplementedError

    def note_failure(self, context: Context, error: Exception) -> None:
        """Do what is to be done besides failing; nothing, unless an operator has something to do."""

    @cached_property
    def settings(self) -> Settings:
        """The team's settings, from the Variable ``odp_settings``."""
        return read_settings(Variable.get(VARIABLE_NAME, default=None))

    @cached_property
    def odp_hook(self) -> OdpHook:
        """The hook of the ODP account."""
        from odp.hooks.odp import OdpHook

        return OdpHook(self.odp_conn_id)

    def staging_root(self) -> Any:
        """
        Return where all runs stage their files: a local path, or one on object storage.

        :raises SettingsError: if no installed provider knows the storage.
        """
        from airflow.configuration import AIRFLOW_HOME
        from airflow.sdk.io import has_fs

        location = self.settings.staging or f"{AIRFLOW_HOME}/odp_staging"
        protocol, separator, path = location.rpartition("://")
        if not separator or protocol == "file":
            return Path(path)
        if not has_fs(protocol):
            raise SettingsError(
                f"Setting staging is {location}, but no installed provider knows {protocol}://. Install it on all workers; for "
                "s3:// that is apache-airflow-providers-amazon[s3fs] (requirements-s3.txt)."
            )
        return ObjectStoragePath(location)


class ExportStageOperator(OdpOperator):
    """
    Base of the stages of an export.

    :param export_id: id of the export's DAG, such as ``product_odp_export``. (templated)
    """

    template_fields: Sequence[str] = (*OdpOperator.template_fields, "export_id")

    def __init__(self, *, export_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.export_id = export_id
        self.account: str | None = None

    @property
    def export(self) -> Export:
        """The export this stage belongs to."""
        return get_export(self.export_id)

    def transport(self, context: Context) -> Transport:
        """
        Return how the stage sends: as the settings say in the export's own DAG; repairs and real time use the REST API.

        :param context: the task's context.
        """
        return self.settings.for_export(self.export_id).transport if context["dag"].dag_id == self.export_id else "rest"

    def use_account(self, connection: str | None) -> None:
        """
        Work for one of several ODP accounts from now on: its connection, its websites, its ledger, files of its own.

        :param connection: id of its connection; ``None`` where there is but one account.
        :raises SettingsError: if the settings name no such account.
        """
        if connection is None:
            return
        from odp.core.accounts import settings_of_account

        self.__dict__["settings"] = settings_of_account(self.settings, connection)
        self.__dict__.pop("odp_hook", None)
        self.odp_conn_id = connection
        self.account = connection

    def each_account(self) -> Iterator[str | None]:
        """Yield the ids of the connections of all accounts, and work for each in turn; ``None`` where there is but one."""
        from odp.core.accounts import account_connections

        own_settings, own_connection = self.settings, self.odp_conn_id
        for connection in account_connections(own_settings) or (None,):
            try:
                self.use_account(connection)
                yield connection
            finally:
                self.__dict__["settings"] = own_settings
                self.__dict__.pop("odp_hook", None)
                self.odp_conn_id, self.account = own_connection, None

    def may_retry(self, context: Context, error: Exception) -> bool:
        """
        Tell whether Airflow will try the task again after an error.

        :param context: the task's context.
        :param error: the error.
        """
        ti = context["ti"]
        return (
            not isinstance(error, (CannotSucceedError, AirflowFailException, AirflowNotFoundException))
            and ti.try_number <= ti.max_tries
        )

    def open_ledger(self) -> Ledger:
        """
        Return the export's ledger for the ODP account, to be used as a context manager.

        :raises LedgerError: if the connection is missing.
        """
        from odp.core.ledger import Ledger
        from odp.hooks.ledger import connect_to_ledger

        return Ledger(connect_to_ledger(self.ledger_conn_id), self.odp_hook.account, self.export_id)

    def run_name(self, context: Context) -> str:
        """
        Return the run's name in the ledger: its id, with the DAG's before it where that is not the export's own DAG.

        :param context: the task's context.
        """
        dag_id = context["dag"].dag_id
        return context["run_id"] if dag_id == self.export_id else f"{dag_id}/{context['run_id']}"

    def staging(self, context: Context, purpose: str = "") -> Staging:
        """
        Return the staged files of the run; in a DAG of several exports each of them has its own, and so has each account.

        :param context: the task's context.
        :param purpose: names files that are not those of extract, transform and load.
        """
        from odp.core.staging import Staging

        dag_id = context["dag"].dag_id
        folder = dag_id if dag_id == self.export_id else f"{dag_id}.{self.export_id}"
        folder = ".".join(filter(None, (folder, purpose, self.account)))
        return Staging(self.staging_root(), folder, context["run_id"])

    def note_failure(self, context: Context, error: Exception) -> None:
        """Write the failure into the run's history, if the ledger can be reached at all."""
        from odp.core.run_history import fail_run

        try:
            with self.open_ledger() as ledger:
                fail_run(ledger, self.run_name(context), f"{self.task_id}: {type(error).__name__}: {error}")
        except Exception as unreachable:  # the failure itself is what the user has to see
            self.log.warning("The ledger's run history does not show this failure: %s", unreachable)
