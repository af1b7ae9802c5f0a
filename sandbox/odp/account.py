"""One ODP account: what a request to each call of the API does, without HTTP around it."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson

from sandbox.odp import answers
from sandbox.odp.answers import Answer
from sandbox.odp.faults import Faults
from sandbox.odp.graphql_reads import GraphQLReads
from sandbox.odp.pacing import RateLimit
from sandbox.odp.profiles import Profiles, identity
from sandbox.odp.request_log import RequestLog
from sandbox.odp.schema import Schema
from sandbox.odp.settings import Settings
from sandbox.odp.store import Store, row_key
from sandbox.odp.uploads import Uploads
from sandbox.odp.visibility import Visibility

#: Most items of one request.
ITEM_LIMIT = 500

#: Most bytes of one request.
BODY_LIMIT = 10 * 1024 * 1024

_UNREADABLE = "Unable to parse request body."

Result = TypeVar("Result")


class OdpAccount:
    """
    Key, schema, data, switches and request log of one account.

    :param key: the private key, `<public>.<secret>`; without a dot there is no public one.
    :param state: SQLite file that outlives the process; None keeps everything in memory.
    :param settings: the switches at the start and after a reset.
    """

    def __init__(self, key: str, state: Path | str | None = None, settings: Settings | None = None) -> None:
        self._private = key.encode()
        self._public = key.rpartition(".")[0].encode()
        self._initial_settings = (settings or Settings()).model_copy()
        self.settings = self._initial_settings.model_copy()
        self.log = RequestLog()
        self.faults = Faults()
        self.profiles_limit = RateLimit()
        # One worker: writes need no locks, and the event loop keeps measuring arrivals while a batch is stored.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="odp-account")
        self.store = Store(state)
        self._open(self.store.schema_document())

    def _open(self, schema_document: dict[str, Any] | None) -> None:
        self.schema = Schema(schema_document)
        self.visibility = Visibility()
        self.uploads = Uploads(self.store, self.schema, self.settings, self.visibility)
        self._graphql = GraphQLReads(self.schema, self)

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """
        Do work on the account's data in its worker thread.

        :param work: what to call.
        :param arguments: its arguments.
        """
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    def close(self) -> None:
        """Finish running work and close the database."""
        self._worker.shutdown()
        self.store.close()

    def key_kind(self, key: bytes) -> str | None:
        """
        Tell which key a request carries: `private`, `public`, or None for a wrong one.

        :param key: value of its header.
        """
        if hmac.compare_digest(key, self._private):
            return "private"
        return "public" if self._public and hmac.compare_digest(key, self._public) else None

    def upload(self, kind: str, body: bytes, note_items: Callable[[int], None]) -> Answer:
        """
        Take a batch.

        :param kind: `profiles`, `events` or `objects/NAME`.
        :param body: JSON array of items, or one item.
        :param note_items: told how many items the body has.
        """
        try:
            items = orjson.loads(body)
        except orjson.JSONDecodeError:
            return answers.bad_request(_UNREADABLE)
        if isinstance(items, dict):
            items = [items]
        if not isinstance(items, list):
            return answers.bad_request(_UNREADABLE)
        note_items(len(items))
        if not items:
            return answers.accepted() if self.settings.accept_empty else answers.bad_request("Request body is empty.")
        if len(items) > ITEM_LIMIT:
            return answers.bad_request(f"Request body has {len(items)} items, at most {ITEM_LIMIT} are allowed.")
        if kind == "profiles":
            return self.uploads.profiles(items)
        if kind == "events":
            return self.uploads.events(items)
        return self.uploads.rows(kind.removeprefix("objects/"), items)

    def change_schema(self, change: Callable[..., Answer], body: bytes, *path: str) -> Answer:
        """
        Create something in the schema.

        :param change: a `create_…` call of the schema API.
        :param body: JSON definition.
        :param path: names in the path of the call.
        """
        definition = _json_object(body)
        if definition is None:
            return answers.bad_request(_UNREADABLE)
        answer = change(self.schema, *path, definition)
        if answer.status < 300:
            self.store.save_schema(self.schema.document())
        return answer

    def read_profile(self, query: Mapping[str, str]) -> Answer:
        """
        Find a customer by one identifier.

        :param query: the pairs of the query string.
        """
        if len(query) != 1:
            return answers.bad_request("Exactly one identifier is required.")
        ((name, value),) = query.items()
        if name not in self.schema.identifiers or not value:
            return answers.bad_request(f"{name} is not an identifier, or has no value.")
        attributes = self._visible_attributes(name, value)
        if attributes is None:
            return answers.not_found(f"Unable to find profile for {name} = {value}")
        return Answer(self.settings.profile_read_status, {"attributes": attributes})

    def query(self, body: bytes) -> Answer:
        """
        Answer a GraphQL request.

        :param body: JSON object with `query` and, if needed, `variables` and `operationName`.
        """
        request = _json_object(body)
        if request is None:
            return answers.bad_request(_UNREADABLE)
        query, variables = request.get("query"), request.get("variables")
        if not isinstance(query, str) or not (variables is None or isinstance(variables, dict)):
            return answers.bad_request("A query is required, variables must be an object.")
        return Answer(200, self._graphql.execute(query, variables, request.get("operationName")))

    def visible_row(self, name: str, values: dict[str, Any]) -> dict[str, Any] | None:
        """
        Return a row as readers see it now.

        :param name: name of the object.
        :param values: value of each key field.
        """
        key = row_key(values, self.schema.primary_keys(name))
        return None if key is None else self.visibility.seen((name, key), self.store.row(name, key))

    def visible_profile(self, name: str, value: str) -> dict[str, Any] | None:
        """
        Return a customer's attributes as readers see them now, with the lists of all identifier values.

        :param name: name of the identifier.
        :param value: its value.
        """
        attributes = self._visible_attributes(name, value)
        if attributes is None:
            return None
        for identifier, known in self._profiles().identities(name, value):
            attributes.setdefault(f"{identifier}s", []).append(known)
        return attributes

    def _visible_attributes(self, name: str, value: str) -> dict[str, Any] | None:
        return self.visibility.seen(("profile", *identity(name, value)), self._profiles().find(name, value))

    def _profiles(self) -> Profiles:
        return Profiles(self.store.connection, self.schema.identifiers)

    def counts(self) -> dict[str, Any]:
        """Return what arrived, by kind; objects without rows count 0."""
        counts = self.store.counts()
        counts["objects"] = {**dict.fromkeys(self.schema.row_objects(), 0), **counts["objects"]}
        counts["requests"] = dict(self.log.statuses)
        fields: dict[str, int] = {}
        reasons: dict[str, int] = {}
        for (name, field, reason), count in self.uploads.dropped.items():
            fields[f"{name}.{field}"] = fields.get(f"{name}.{field}", 0) + count
            reasons[reason] = reasons.get(reason, 0) + count
        return {**counts, "dropped_fields": fields, "dropped_reasons": reasons}

    def change_settings(self, changes: dict[str, Any]) -> dict[str, Any]:
        """
        Change switches and return them all.

        :param changes: new values by name.
        """
        changed = Settings.model_validate({**self.settings.model_dump(), **changes})
        for name in changes:
            setattr(self.settings, name, getattr(changed, name))
        if not self.settings.visibility_delay:
            self.visibility.show_all()
        if "profiles_per_second" in changes:
            self.profiles_limit.reset()
        return self.settings.model_dump()

    def reset(self, keep_schema: bool) -> None:
        """
        Start over: no data, no log, no faults, initial switches.

        :param keep_schema: keep objects, fields and identifiers that were created.
        """
        self.store.clear()
        self.log.clear()
        self.faults.clear()
        self.profiles_limit.reset()
        self.settings = self._initial_settings.model_copy()
        self._open(self.schema.document() if keep_schema else None)
        self.store.save_schema(self.schema.document())


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
