"""Runs of exports without Airflow: the stages call the core as the operators do, on a real replica, ledger and ODP."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg

from odp.core.accounting import check_counts, check_rejects, examples, kept_rejects, summarise
from odp.core.bodies import read_bodies
from odp.core.client import ClientOptions, OdpClient
from odp.core.event_claims import EventClaims
from odp.core.exports import Export
from odp.core.extract import MANIFEST, Selection, extract
from odp.core.import_bucket import ImportBucket
from odp.core.ledger import Ledger, account_name
from odp.core.pacing import LedgerPacer
from odp.core.parts import load_part, transform_part
from odp.core.run_history import (
    close_rejects,
    fail_run,
    finish_run,
    keep_rejects,
    open_reject_ids,
    resume_run,
    run_began,
    start_run,
)
from odp.core.settings import Settings
from odp.core.staging import Staging
from odp.core.uncertain import resolver_of, settle_open_claims
from odp.core.window import Window
from odp.sql_files import SQL_DIR

NO_LIMITS: dict[str, float] = {}
_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """
    Where exports run from and to.

    :param replica: connection string of the replica.
    :param ledger_dsn: connection string of the ledger.
    :param url: address of ODP.
    :param key: API key.
    :param root: folder of staged files.
    :param settings: the team's settings; here an event that cannot be seen is not there, unless a test says otherwise.
    :param batch_size: items in a request.
    :param concurrency: requests at the same time.
    :param timeout: seconds to wait for an answer.
    :param retry_budget: seconds in which a request is retried.
    :param limits: requests per second, by API family.
    :param bucket: where CSV files go; without it all goes to the REST API.
    """

    replica: str
    ledger_dsn: str
    url: str
    key: str
    root: Path
    settings: Settings = field(default_factory=lambda: Settings(visibility_delay_minutes=0))
    batch_size: int = 500
    concurrency: int = 4
    timeout: float = 5.0
    retry_budget: float = 10.0
    limits: dict[str, float] = field(default_factory=dict)
    bucket: ImportBucket | None = None

    @property
    def account(self) -> str:
        """Name of the account in the ledger."""
        return account_name(self.url, self.key)

    def ledger(self, export: Export) -> Ledger:
        """Return an export's ledger."""
        return Ledger(lambda: psycopg.connect(self.ledger_dsn), self.account, export.dag_id)

    def client(self, ledger: Ledger | None = None) -> OdpClient:
        """Return a client, paced through the ledger if there is one, as the hook makes it."""
        options = ClientOptions(
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            timeout=self.timeout,
            retry_budget=self.retry_budget,
            requests_per_second=self.limits,
        )
        pacers = {family: LedgerPacer(ledger, family, rate) for family, rate in self.limits.items()} if ledger else None
        return OdpClient(self.url, self.key, options, pacers)

    def start(self, export: Export, **parameters: Any) -> Run:
        """Return a run that has not begun."""
        return Run(self, export, parameters.pop("run_id", None) or f"run-{next(_numbers)}", **parameters)

    def run(self, export: Export, **parameters: Any) -> Run:
        """Run an export to its end."""
        run = self.start(export, **parameters)
        run.all()
        return run

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the ledger's database."""
        with psycopg.connect(self.ledger_dsn, autocommit=True) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def query_replica(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the replica."""
        with psycopg.connect(self.replica) as connection:
            return connection.execute(statement).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        """Change the replica; return the number of rows changed."""
        with psycopg.connect(self.replica, autocommit=True) as connection:
            return connection.execute(statement, values).rowcount

    def age_claims(self, minutes: float = 60) -> None:
        """Let the open claims of all exports be older than they are."""
        self.query(
            "UPDATE event_delivery SET claimed_at = claimed_at - make_interval(mins => %s) WHERE state <> 'delivered'", minutes
        )

    def claims(self) -> Counter[tuple[str, str]]:
        """Count the claims by action and state."""
        return Counter({(a, s): n for a, s, n in self.query("SELECT action, state, count(*) FROM event_delivery GROUP BY 1, 2")})


class Run:
    """
    One run of an export, stage by stage.

    :param pipeline: from where to where.
    :param export: what is sent.
    :param run_id: its id.
    :param window: its window; everything by default.
    :param ids: only these entities.
    :param resend: send unchanged records, too.
    :param dry_run: send nothing.
    :param mapping: another text of the mapping file.
    :param beside_others: whether other runs may deliver at the same time.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        export: Export,
        run_id: str,
        *,
        window: Window | None = None,
        ids: Sequence[str] | None = None,
        resend: bool = False,
        dry_run: bool = False,
        mapping: str | None = None,
        beside_others: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.export = export
        self.run_id = run_id
        self.window = window or Window()
        self.ids = ids
        self.resend = resend
        self.dry_run = dry_run
        self.beside_others = beside_others
        self.mapping = mapping or Path(SQL_DIR, export.sql).read_text()
        self.staging = Staging(pipeline.root, export.dag_id, run_id)
        self.parts: list[dict[str, Any]] = []
        self.transformed: list[dict[str, Any]] = []
        self.loaded: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.rejects: list[str] = []

    def all(self) -> dict[str, Any]:
        """Run all stages; an error is written down as the operators do."""
        for stage in (self.extract, self.transform, self.load, self.reconcile):
            self.attempt(stage)
        return self.summary

    def attempt(self, stage: Any, *arguments: Any) -> None:
        """Run one stage, and write down if it fails."""
        try:
            stage(*arguments)
        except Exception as error:
            with contextlib.suppress(psycopg.Error), self.ledger() as ledger:
                fail_run(ledger, self.run_id, str(error))
            raise

    def ledger(self) -> Ledger:
        """Return the ledger of the run's export."""
        return self.pipeline.ledger(self.export)

    def extract(self) -> None:
        """Extract, after settling what earlier runs left open."""
        with self.ledger() as ledger:
            start_run(ledger, self.run_id, self.window, self.ids)
            retried = [] if self.dry_run else self._retried(ledger)
        lookups = {name: Path(SQL_DIR, file).read_text() for name, file in self.export.lookups.items()}
        with psycopg.connect(self.pipeline.replica) as connection:
            self.parts = extract(
                connection,
                self.export,
                self.mapping,
                lookups,
                Selection(window=self.window, ids=self.ids, as_of=datetime.now(timezone.utc)),
                self.pipeline.settings,
                self.staging,
                retried=retried,
            )

    def _retried(self, ledger: Ledger) -> list[str]:
        released: list[str] = []
        if self.export.family == "events":
            resolver = resolver_of(self.export, self.pipeline.client(), self.pipeline.settings)
            claims = settle_open_claims(EventClaims(ledger), resolver)
            released = [claim.record_key for claim in claims if self.ids is None or claim.record_key in self.ids]
        return list(dict.fromkeys([*open_reject_ids(ledger, self.ids), *released]))

    def transform(self) -> None:
        """Transform all parts."""
        self.transformed = []
        for part in self.parts:
            with self.ledger() as ledger:
                resume_run(ledger, self.run_id)
                self.transformed.append(
                    transform_part(
                        self.export,
                        part,
                        self.pipeline.settings,
                        self.staging,
                        ledger,
                        batch_size=self.pipeline.batch_size,
                        resend=self.resend,
                        transport="csv" if self.pipeline.bucket else "rest",
                    )
                )

    def load(self, repeated: bool | None = None) -> None:
        """Load all parts; ``repeated`` as the operator decides it, unless it is given."""
        self.loaded = []
        for part in self.transformed:
            with self.ledger() as ledger:
                resume_run(ledger, self.run_id)
                self.loaded.append(
                    load_part(
                        self.export,
                        part,
                        self.pipeline.client(ledger),
                        self.pipeline.settings,
                        self.staging,
                        ledger,
                        run_id=self.run_id,
                        dry_run=self.dry_run,
                        repeated=ledger.delivered_rows(self.run_id, part["part"]) > 0 if repeated is None else repeated,
                        began=run_began(ledger, self.run_id) if self.beside_others else None,
                        bucket=self.pipeline.bucket,
                    )
                )

    def reconcile(self) -> None:
        """Check the counts, keep and close rejects, and judge the run."""
        with self.ledger() as ledger:
            manifest = self.staging.read_json(MANIFEST)
            delivered = ledger.delivered_rows(self.run_id)
            self.summary = summary = summarise(manifest, self.transformed, self.loaded, delivered=delivered)
            error: str | None = None
            try:
                check_counts(summary)
                if not self.dry_run:
                    rejects = list(kept_rejects(self.staging, summary))
                    keep_rejects(ledger, self.run_id, rejects)
                    close_rejects(ledger, self.run_id, manifest["retried"], (reject.entity_id for reject in rejects))
                summary["uncertain_examples"] = examples(self.staging, summary, uncertain=True)
                self.rejects = examples(self.staging, summary, uncertain=False)
                check_rejects(summary, self.pipeline.settings.max_reject_ratio, self.rejects)
            except Exception as caught:
                error = str(caught)
                raise
            finally:
                finish_run(ledger, self.run_id, summary, error)

    def items(self) -> list[dict[str, Any]]:
        """Return the items of all staged bodies."""
        found = []
        for part in self.transformed:
            for upload in part["uploads"]:
                with self.staging.read(upload["bodies"]) as bodies, self.staging.read(upload["states"]) as states:
                    found += [item for body in read_bodies(bodies, states) for item in json.loads(body.content)]
        return found


def fates(run: Run) -> dict[str, int]:
    """Return the counts of a run that are not 0."""
    names = ("extracted", "delivered", "unchanged", "skipped", "rejected", "uncertain", "not_sent")
    return {name: run.summary[name] for name in names if run.summary[name]}


def key_of(export: Export, item: dict[str, Any]) -> str:
    """Return what tells a record, or an event, from the others."""
    if export.family == "events":
        return f"{item['data']['order']['order_id']} {item['action']}"
    if export.family == "profiles":
        return str(item["attributes"]["email"])
    return " ".join(str(item[name]) for name in export.contract.key)


def sent_keys(run: Run) -> Counter[str]:
    """Count what a run stages for ODP, by key."""
    return Counter(key_of(run.export, item) for item in run.items())


def stored_keys(odp: Any, export: Export) -> Counter[str]:
    """Count what ODP holds of an export, by key."""
    kind = f"objects/{export.contract.object_name}" if export.family == "objects" else export.family
    return Counter(key_of(export, item) for item in odp.dump(kind))


def events_in(odp: Any) -> list[tuple[str, str]]:
    """Return order number and action of the events that ODP holds, in the order of their arrival."""
    return [(event["data"]["order"]["order_id"], event["action"]) for event in odp.dump("events")]


def orders_in(odp: Any) -> dict[str, dict[str, Any]]:
    """Return the orders that ODP holds, by number."""
    return {row["order_id"]: row for row in odp.dump("objects/orders")}


def uploads_to(odp: Any, since: int = 0) -> list[dict[str, Any]]:
    """Return the upload requests that ODP got, without the first ones."""
    uploads = ("/v3/events", "/v3/profiles", "/v3/objects/")
    return [r for r in odp.requests(100_000) if r["method"] == "POST" and r["path"].startswith(uploads)][since:]
