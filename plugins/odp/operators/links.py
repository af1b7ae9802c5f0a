"""Links of a task's page in Airflow: to the export's own page, and to the ODP account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.configuration import conf
from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk.types import TaskInstanceKey

ODP_LOGIN = "https://login.optimizely.com/"
"""Where people log in to Optimizely's products; the address of one account inside ODP cannot be told from its API key."""

_ODP_DOMAINS = (".odp.optimizely.com", ".zaius.com")


def page_address(dag_id: str) -> str:
    """
    Return the address of an export's page in Airflow's UI, relative to Airflow's own.

    :param dag_id: id of the export's DAG.
    """
    root = urlsplit(conf.get("api", "base_url", fallback="")).path.strip("/")
    return "/".join(filter(None, ("plugin/odp-exports", root, "odp/exports", dag_id)))


class ExportPageLink(BaseOperatorLink):
    """Leads to the export's page: progress, coverage, rejects."""

    name = "ODP exports page"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the link.

        :param operator: the operator.
        :param ti_key: the task instance.
        """
        return page_address(operator.export_id)  # which another DAG may run, such as odp_consistency


class OdpAccountLink(BaseOperatorLink):
    """Leads to where the records went: Optimizely's login, or the page of a sandbox."""

    name = "ODP account"

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the link.

        :param operator: the operator, which has the hook of the account.
        :param ti_key: the task instance.
        """
        address: str = operator.odp_hook.address
        host = urlsplit(address).hostname or ""
        return ODP_LOGIN if host.endswith(_ODP_DOMAINS) else address
