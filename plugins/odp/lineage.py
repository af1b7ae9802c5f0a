"""
What the stages of an export read and write, in the terms of OpenLineage.

Used by the operators' ``get_openlineage_facets_on_start`` alone, which Airflow's OpenLineage provider calls: without the provider
nothing here is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.openlineage.facet import Dataset
from airflow.providers.openlineage.sqlparser import SQLParser
from airflow.providers.postgres.hooks.postgres import PostgresHook

from odp.core.replica import locate_tables

if TYPE_CHECKING:
    from odp.core.exports import Export
    from odp.hooks.odp import OdpHook


def replica_tables(hook: PostgresHook, export: Export) -> list[Dataset]:
    """
    Return the tables of the replica that an export reads; optional ones that the replica lacks are no part of it.

    :param hook: hook of the replica.
    :param export: the export.
    """
    info = hook.get_openlineage_database_info(hook.connection)
    namespace = SQLParser.create_namespace(info)
    with hook.get_conn() as connection:
        tables = locate_tables(connection, export.tables)
    return [Dataset(namespace=namespace, name=f"{info.database}.{schema}.{table}") for schema, table in tables]


def staged_files(root: Any, export: Export) -> Dataset:
    """
    Return the staged files of an export, all runs' together: they link what is read to what is sent.

    :param root: where all runs stage their files.
    :param export: the export.
    """
    folder = urlsplit(f"{root}/{export.dag_id}")
    if not folder.netloc:
        return Dataset(namespace="file", name=folder.path)
    return Dataset(namespace=f"{folder.scheme}://{folder.netloc}", name=folder.path.lstrip("/"))


def import_folder(bucket: str, tracker_id: str) -> Dataset:
    """
    Return the folder of CSV files that ODP imports from.

    :param bucket: name of the bucket.
    :param tracker_id: the account's folder in it.
    """
    return Dataset(namespace=f"s3://{bucket}", name=tracker_id)


def odp_targets(hook: OdpHook, export: Export) -> list[Dataset]:
    """
    Return what an export writes in ODP, by the paths of its API.

    :param hook: hook of the ODP account.
    :param export: the export.
    """
    return [Dataset(namespace=hook.address, name=path.lstrip("/")) for path in export.targets]
