"""
Reading a sample of what was delivered back from ODP, and comparing it.

A 202 proves only that ODP queued a record. The sample tells whether records arrive and hold what was sent; it reports and never
fails a run, since ODP may take its time.
"""

from __future__ import annotations

import itertools
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from odp.core.bodies import Body, ItemState, read_bodies
from odp.core.client import OdpClient
from odp.core.exceptions import OdpApiError
from odp.core.exports import Export
from odp.core.import_bucket import is_file, read_records
from odp.core.staging import Staging
from odp.core.user_events import UserEvent

log = logging.getLogger(__name__)

ATTEMPTS = 4
SECONDS_BETWEEN_ATTEMPTS = 2.0
PROFILE_READS_PER_SECOND = 5.0
"""Half of what ODP permits for profiles: uploads of other runs need the rest."""

_ROWS_PER_QUERY = 20


@dataclass
class ReadBack:
    """
    What the sample showed.

    :param checked: number of records looked for.
    :param same: number found as sent.
    :param not_visible: record keys that ODP does not show yet.
    :param different: ``key: fields`` of records that differ.
    :param note: why nothing could be read, if so.
    """

    checked: int = 0
    same: int = 0
    not_visible: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the counts for the run's summary, with at most ten keys of each kind."""
        return {
            "checked": self.checked,
            "same": self.same,
            "not_visible": len(self.not_visible),
            "different": len(self.different),
            "examples": (self.different + self.not_visible)[:10],
            "note": self.note,
        }


def sample_delivered(
    uploads: Sequence[Mapping[str, Any]], staging: Staging, size: int, seed: str, left_out: frozenset[str]
) -> list[tuple[str, Any]]:
    """
    Choose delivered records at random, the same ones each time for the same seed.

    :param uploads: the uploads of all parts, as transform listed them.
    :param staging: the run's folder.
    :param size: how many records.
    :param seed: such as the run's id.
    :param left_out: keys of records that were not delivered.
    :return: record key and item of each.
    """
    chooser = random.Random(seed)  # noqa: S311 - a sample, not a secret
    files = [upload for upload in uploads if is_file(upload) and upload["rows"]]
    uploads = [upload for upload in uploads if not is_file(upload)]
    requests = sum(upload["requests"] for upload in uploads)
    wanted = set(chooser.sample(range(requests), min(requests, size)))
    each = -(-size // max(len(wanted), 1))
    chosen: list[tuple[str, Any]] = []
    for number, body in enumerate(_all_bodies(uploads, staging)):
        if number in wanted:
            records = list(zip(ItemState.read(body.states), orjson.loads(body.content), strict=True))
            good = [(state.record_key, item) for state, item in records if state.closes and state.record_key not in left_out]
            chosen += chooser.sample(good, min(each, len(good)))
    for upload in files:
        positions = set(chooser.sample(range(upload["items"]), min(upload["items"], -(-size // len(files)))))
        chosen += [(key, item) for key, item in read_records(upload, staging, positions) if key not in left_out]
    return chosen[:size] if not files else chooser.sample(chosen, min(len(chosen), size))


def _all_bodies(uploads: Sequence[Mapping[str, Any]], staging: Staging) -> Iterator[Body]:
    for upload in uploads:
        with staging.read(upload["bodies"]) as bodies, staging.read(upload["states"]) as states:
            yield from read_bodies(bodies, states)


def read_back(client: OdpClient, export: Export, records: Sequence[tuple[str, Any]], *, patience: float = 0.0) -> ReadBack:
    """
    Look records up in ODP, a few times if they are not visible at once.

    :param client: the account; reads need its private key.
    :param export: what was sent.
    :param records: record key and item of each.
    :param patience: seconds in which what is not visible is looked for beyond the usual few times.
    """
    if export.contract is UserEvent:
        return ReadBack(note="ODP has no call that reads single user events.")
    result = ReadBack(checked=len(records))
    waiting = list(records)
    until = time.monotonic() + patience
    try:
        for attempt in itertools.count(1):
            unseen = []
            look_up = _look_up_profiles if export.family == "profiles" else read_objects
            sent = [_sent_fields(export, item) for _, item in waiting]
            for (key, item), fields, found in zip(waiting, sent, look_up(client, export, sent), strict=True):
                if found is None:
                    unseen.append((key, item))
                elif differing := _differing(fields, found):
                    result.different.append(f"{key}: {', '.join(differing)}")
                else:
                    result.same += 1
            waiting = unseen
            if not waiting or (attempt >= ATTEMPTS and time.monotonic() >= until):
                break
            time.sleep(SECONDS_BETWEEN_ATTEMPTS * max(1, attempt // ATTEMPTS))
    except OdpApiError as error:
        result.note = str(error)
    result.not_visible = [key for key, _ in waiting]
    return result


def _sent_fields(export: Export, item: Any) -> dict[str, Any]:
    if export.family == "profiles":
        return dict(item["attributes"])
    if "data" in item:  # an event changes running amounts of its order: only the order itself can be expected
        return {"order_id": item["data"]["order"]["order_id"]}
    return {name: value for name, value in item.items() if not (export.family == "events" and name == "status")}


def _look_up_profiles(client: OdpClient, _: Export, sent: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any] | None]:
    return read_profiles(client, sent)


def read_profiles(client: OdpClient, wanted: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any] | None]:
    """
    Look profiles up, one at a time and no faster than ODP permits.

    :param client: the account; reads need its private key.
    :param wanted: attributes with an ``email`` or a ``business_user_id``.
    :return: the attributes of each; ``None`` for one that ODP does not show.
    """
    for attributes in wanted:
        identifier = "email" if "email" in attributes else "business_user_id"
        answer = client.request("GET", "/profiles", query={identifier: attributes[identifier]})
        yield dict(orjson.loads(answer.data)["attributes"]) if answer.status < 300 else None
        time.sleep(1 / PROFILE_READS_PER_SECOND)


def read_objects(client: OdpClient, export: Export, sent: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any] | None]:
    """
    Look rows up by key, twenty in a GraphQL query.

    :param client: the account; reads need its private key.
    :param export: what they belong to.
    :param sent: the rows: their key, and the other fields that are read.
    :return: the fields of each; ``None`` for one that ODP does not show.
    :raises OdpApiError: if ODP cannot be asked.
    """
    contract = export.contract
    for start in range(0, len(sent), _ROWS_PER_QUERY):
        rows = sent[start : start + _ROWS_PER_QUERY]
        parts = []
        for at, row in enumerate(rows):
            arguments = ", ".join(f"{name}: {orjson.dumps(row[name]).decode()}" for name in contract.key)
            parts.append(f"r{at}: {contract.object_alias}({arguments}) {{ {' '.join(row)} }}")
        answer = client.request("POST", "/graphql", orjson.dumps({"query": f"{{ {' '.join(parts)} }}"}))
        content = orjson.loads(answer.data)
        if answer.status >= 300 or content.get("data") is None:
            raise OdpApiError(f"ODP cannot be asked for {contract.object_alias}: {str(content.get('errors', content))[:300]}")
        yield from (content["data"].get(f"r{at}") for at in range(len(rows)))


def _differing(sent: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    return [name for name, value in sent.items() if not _same(value, found.get(name))]


def _same(sent: Any, found: Any) -> bool:
    """Compare as ODP may write values: custom values can come back as text."""
    if sent == found or str(sent).lower() == str(found).lower():
        return True
    try:
        return float(sent) == float(found)
    except (TypeError, ValueError):
        return False
