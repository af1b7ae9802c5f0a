"""Preflight of indexes: a run of one day should find its rows by ModifiedOn without reading whole tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from odp.core.commerce import READS, TABLES
from odp.core.exports import Export
from odp.core.preflight_report import Finding

SMALL_TABLE_BYTES = 8 * 1024 * 1024
"""A table up to this size is read whole in a moment."""

_BEFORE_MODIFIED_ON = {"CustomProperty": "parenttable"}
"""Column that a query compares as well, which may come before ModifiedOn in the index."""

# A folded view stands for the tables it reads. Partitions have indexes of their own, and their parent has one for all.
_INDEXES = """
    WITH RECURSIVE wanted AS (
        SELECT t.name, t.first, to_regclass(quote_ident(lower(t.name)))::oid AS relation
        FROM unnest(%s::text[], %s::text[]) AS t (name, first)
    ), source AS (
        SELECT w.name, w.first, w.relation FROM wanted w WHERE w.relation IS NOT NULL
        UNION
        SELECT s.name, s.first, d.refobjid
        FROM source s
        JOIN pg_rewrite r ON r.ev_class = s.relation
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    ), heap AS (
        SELECT s.name, s.first, c.oid, c.relkind, m.attnum,
            (
                SELECT string_agg(quote_ident(a.attname), ', '
                    ORDER BY lower(a.attname) = s.first DESC, lower(a.attname) = 'modifiedon' DESC)
                FROM pg_attribute a
                WHERE a.attrelid = c.oid AND NOT a.attisdropped
                    AND (lower(a.attname) IN ('modifiedon', s.first) OR (lower(a.attname) = 'id' AND s.first = ''))
            ) AS columns,
            CASE WHEN c.relkind = 'p'
                THEN (SELECT sum(pg_relation_size(p.relid)) FROM pg_partition_tree(c.oid) p)
                ELSE pg_relation_size(c.oid) END AS bytes
        FROM source s
        JOIN pg_class c ON c.oid = s.relation AND c.relkind IN ('r', 'p', 'm', 'f')
        JOIN pg_attribute m ON m.attrelid = c.oid AND lower(m.attname) = 'modifiedon' AND NOT m.attisdropped
    )
    SELECT h.name, h.relkind = 'f', h.bytes::bigint, h.oid::regclass::text, h.columns, EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = h.oid AND i.indisvalid AND i.indpred IS NULL AND (
            i.indkey[0] = h.attnum
            OR (i.indkey[1] = h.attnum AND EXISTS (
                SELECT FROM pg_attribute a
                WHERE a.attrelid = h.oid AND a.attnum = i.indkey[0] AND lower(a.attname) = h.first
            ))
        )
    )
    FROM heap h
"""


@dataclass(frozen=True)
class IndexReport:
    """
    What is known about the tables that are selected by ModifiedOn.

    :param findings: one for all that is well, and one for each table that is not.
    :param quick_tables: tables whose newest row is found without reading them whole.
    """

    findings: list[Finding]
    quick_tables: list[str]


def check_indexes(connection: psycopg.Connection[Any], exports: Iterable[Export], *, by_website: bool = False) -> IndexReport:
    """
    Look for an index that begins with ModifiedOn on each table that a window selects by it.

    :param connection: a connection to the replica.
    :param exports: the exports.
    :param by_website: whether only some websites are sent, so that being assigned to one counts as a change of a person.
    """
    readers = _readers(exports)
    if not by_website:
        readers.pop("UserProfileWebsite", None)
    rows = connection.execute(_INDEXES, (list(readers), [_BEFORE_MODIFIED_ON.get(name, "") for name in readers])).fetchall()
    findings, readable, unseen = [], [], []
    for name, is_foreign, size, relation, columns, indexed in sorted(rows):
        if is_foreign:
            unseen.append(name)
        elif indexed or size <= SMALL_TABLE_BYTES:
            readable.append(name)
        else:
            findings.append(
                Finding(
                    area="replica",
                    subject=f"index on {name}",
                    verdict="warning",
                    cause=f"{relation} ({size / 1024**2:,.0f} MB) has no index on ModifiedOn: each daily run reads it whole.",
                    remedy=f"On the server that holds it: CREATE INDEX CONCURRENTLY ON {relation} ({columns});",
                    exports=readers[name],
                    details={"table": name, "bytes": size},
                )
            )
    if readable or unseen:
        cause = f"{', '.join(readable) or 'No table'} can be read by ModifiedOn: indexed, or small."
        if unseen:
            cause += f" Of {', '.join(unseen)} it cannot be told: foreign tables."
        findings.append(Finding(area="replica", subject="indexes on ModifiedOn", verdict="ok", cause=cause))
    return IndexReport(findings, [name for name in readable if name not in _BEFORE_MODIFIED_ON])


def _readers(exports: Iterable[Export]) -> dict[str, tuple[str, ...]]:
    """Return the tables that the exports select by ModifiedOn, each with the exports that do."""
    readers: dict[str, tuple[str, ...]] = {}
    for export in exports:
        first, *others = READS[export.sql]
        # A table that another export is about is only joined; the others hold parts of the rows, such as an order's lines.
        parts = [name for name in others if all(reads[0] != name for reads in READS.values())]
        for name in (first, *parts):
            if TABLES[name].column("ModifiedOn"):
                readers[name] = (*readers.get(name, ()), export.dag_id)
    return readers
