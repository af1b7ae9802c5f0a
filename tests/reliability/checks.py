"""Comparison, repair and marking of one export without Airflow, as the operators of odp_consistency do them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg

from odp.core.consistency import compare
from odp.core.deactivate import FindPeople, deactivate
from odp.core.differences import DELETED_FILE, REPAIR_FILE, read_staged
from odp.core.exports import Export
from odp.core.extract import Selection, extract
from odp.core.repair import prepare_repair
from odp.core.staging import Staging
from odp.core.uncertain import Resolver
from odp.core.window import Window
from odp.sql_files import SQL_DIR
from tests.reliability.harness import Pipeline, Run

FATES = ("same", "missing", "changed", "pending", "rejected", "uncertain", "skipped")


class Check:
    """
    One comparison of an export.

    :param pipeline: from where to where.
    :param export: what is compared.
    :param meanwhile: called when the source has been read, before it is compared.
    :param settings: what differs from the pipeline's settings.
    """

    def __init__(
        self, pipeline: Pipeline, export: Export, *, meanwhile: Callable[[], Any] | None = None, **settings: Any
    ) -> None:
        self.pipeline = replace(pipeline, settings=pipeline.settings.model_copy(update=settings))
        self.export = export
        self._meanwhile = meanwhile
        self.staging = Staging(pipeline.root, f"check.{export.dag_id}", "check")
        with self.pipeline.ledger(export) as ledger:
            self.result = compare(
                export, self.pipeline.settings, ledger, self.pipeline.client(), self._read, self.staging, seed="a seed"
            )
        assert sum(self.result[fate] for fate in FATES) == self.result["source_rows"]

    def __getitem__(self, name: str) -> Any:
        return self.result[name]

    @property
    def found(self) -> dict[str, int]:
        """Everything that is not as it should be, by verdict."""
        names = (*FATES[1:6], "deleted", "extra", "deactivated")
        return {name: self.result[name] for name in names if self.result[name]}

    def staged(self, name: str) -> list[list[str]]:
        """Return the rows of a staged file."""
        assert name in (REPAIR_FILE, DELETED_FILE)
        return list(read_staged(self.staging, name))

    def repair(self) -> Run:
        """Repair what was found."""
        with self.pipeline.ledger(self.export) as ledger:
            resolver = Resolver(self.pipeline.client(), timedelta(minutes=self.pipeline.settings.visibility_delay_minutes))
            ids = prepare_repair(self.export, ledger, resolver, self.staging, "check")
        return self.pipeline.run(self.export, ids=ids, beside_others=True)

    def deactivate(self, find_people: FindPeople = lambda _: set()) -> dict[str, int]:
        """Mark what was found to be deleted."""
        contract = self.export.contract_for(self.pipeline.settings)
        with self.pipeline.ledger(self.export) as ledger:
            return deactivate(self.export, contract, self.pipeline.client(), ledger, self.staging, "check", find_people)

    def _read(self, window: Window, staging: Staging) -> list[dict[str, Any]]:
        lookups = {name: Path(SQL_DIR, file).read_text() for name, file in self.export.lookups.items()}
        with psycopg.connect(self.pipeline.replica) as connection:
            parts = extract(
                connection,
                self.export,
                Path(SQL_DIR, self.export.sql).read_text(),
                lookups,
                Selection(window=window, as_of=datetime.now(timezone.utc)),
                self.pipeline.settings,
                staging,
            )
        if self._meanwhile:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        return parts
