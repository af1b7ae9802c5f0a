"""
Who may see what, by Airflow's own login and permissions.

Reading an export's page takes the permission to read its DAG's runs. The page itself changes nothing: what it triggers goes
from the browser to Airflow's REST API, which asks for its own permissions again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import ConnectionDetails, DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from fastapi import Depends, HTTPException

from odp.core.exports import EXPORTS, OPTIONAL_EXPORTS, Export, get_export
from odp.core.personal_data import holds_personal_data, mask_text
from odp.core.run_overview import Run

ODP_CONNECTION = "odp_default"
LEDGER_CONNECTION = "odp_ledger"
ALL_EXPORTS = (*EXPORTS, *OPTIONAL_EXPORTS)


@dataclass(frozen=True)
class Viewer:
    """
    The user who looks at the page.

    :param user: Airflow's user.
    """

    user: BaseUser

    def may(self, method: ResourceMethod, dag_id: str, entity: DagAccessEntity | None = None) -> bool:
        """
        Ask Airflow for a permission on a DAG.

        :param method: GET, POST, PUT or DELETE.
        :param dag_id: the DAG.
        :param entity: what of it; the DAG itself by default.
        """
        details = DagDetails(id=dag_id, team_name=self._teams.get(dag_id))
        return get_auth_manager().is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user)

    @cached_property
    def _teams(self) -> dict[str, str | None]:
        return DagModel.get_dag_id_to_team_name_mapping([export.dag_id for export in ALL_EXPORTS])

    @property
    def exports(self) -> tuple[Export, ...]:
        """The exports whose runs the user may read, those that a team has to switch on last."""
        return tuple(export for export in ALL_EXPORTS if self.may("GET", export.dag_id, DagAccessEntity.RUN))

    def may_trigger(self, export: Export) -> bool:
        """Whether the user may trigger runs of an export."""
        return self.may("POST", export.dag_id, DagAccessEntity.RUN)

    def may_unpause(self, export: Export) -> bool:
        """Whether the user may edit an export's DAG."""
        return self.may("PUT", export.dag_id)

    def error_of(self, run: Run, export: Export) -> str | None:
        """
        Return a run's error as the user may see it: its details name records.

        :param run: the run.
        :param export: its export.
        """
        if run.error is None or self.sees_values(export):
            return run.error
        return mask_text(run.error.partition("\n")[0])

    def sees_values(self, export: Export) -> bool:
        """
        Whether the user sees what an export's records say: personal data, except for products.

        That takes the permission to edit the connection to ODP: who has it could send the data anywhere.
        """
        if not holds_personal_data(export.contract):
            return True
        details = ConnectionDetails(conn_id=ODP_CONNECTION, team_name=Connection.get_team_name(ODP_CONNECTION))
        return get_auth_manager().is_authorized_connection(method="PUT", details=details, user=self.user)


def _viewer(user: GetUserDep) -> Viewer:
    return Viewer(user)


ViewerDep = Annotated[Viewer, Depends(_viewer)]


def _readable_export(dag_id: str, viewer: ViewerDep) -> Export:
    if not viewer.may("GET", dag_id, DagAccessEntity.RUN):
        raise HTTPException(403, "You may not read the runs of this DAG.")
    try:
        return get_export(dag_id)
    except KeyError:
        raise HTTPException(404, f"There is no export {dag_id}.") from None


ExportDep = Annotated[Export, Depends(_readable_export)]
