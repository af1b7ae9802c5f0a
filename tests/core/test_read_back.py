from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from odp.core import read_back as module
from odp.core.bodies import BodyWriter, ItemState
from odp.core.client import OdpClient
from odp.core.exports import ORDERS, USER_PROFILES, WAREHOUSES
from odp.core.odp_schema import ensure_schema
from odp.core.read_back import read_back, sample_delivered
from odp.core.records import ProfileByEmail, Warehouse
from odp.core.staging import FrameWriter, LineWriter, Staging
from sandbox.odp.server import SandboxOdp


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS_BETWEEN_ATTEMPTS", 0.05)
    monkeypatch.setattr(module, "PROFILE_READS_PER_SECOND", 1_000.0)


@pytest.fixture
def client(odp: SandboxOdp) -> OdpClient:
    return OdpClient(odp.url, odp.key)


def _send(client: OdpClient, path: str, *items: dict[str, Any]) -> None:
    assert client.upload(path, orjson.dumps(items)).status == 202


def test_rows_of_an_object_are_compared_field_by_field(client: OdpClient) -> None:
    ensure_schema(client, Warehouse)
    east = {"warehouse_id": "E", "name": 'East "depot"', "latitude": 1.5, "is_default": True}
    west = {"warehouse_id": "W", "name": "West"}
    _send(client, "/objects/warehouses", east, west | {"name": "Changed by somebody"})
    result = read_back(client, WAREHOUSES, [("E", east), ("W", west), ("N", {"warehouse_id": "N", "name": "Never sent"})])
    assert (result.checked, result.same) == (3, 1)
    assert result.different == ["W: name"]
    assert result.not_visible == ["N"]
    assert "Changed by somebody" not in str(result.as_dict())


def test_profiles_are_read_by_their_identifier(client: OdpClient) -> None:
    ensure_schema(client, ProfileByEmail)
    ana = {"attributes": {"email": "ana@example.com", "first_name": "Ana", "is_active": True, "created_at": 1_700_000_000}}
    _send(client, "/profiles", ana)
    gone = {"attributes": {"email": "gone@example.com", "first_name": "Bo"}}
    result = read_back(client, USER_PROFILES, [("ana@example.com", ana), ("gone@example.com", gone)])
    assert (result.same, result.different, result.not_visible) == (1, [], ["gone@example.com"])


def test_an_order_event_is_found_as_its_order(client: OdpClient) -> None:
    event = {
        "type": "order",
        "action": "purchase",
        "identifiers": {"email": "a@b.c"},
        "data": {"order": {"order_id": "W1", "total": 5}},
    }
    _send(client, "/events", event)
    update = {"order_id": "W1", "total": 5.0, "status": "purchase"}
    assert read_back(client, ORDERS, [("W1", event), ("W1", update)]).same == 2


def test_a_record_that_becomes_visible_later_is_waited_for(client: OdpClient, odp: SandboxOdp) -> None:
    ensure_schema(client, Warehouse)
    odp.settings(visibility_delay=0.08)
    row = {"warehouse_id": "E", "name": "East"}
    _send(client, "/objects/warehouses", row)
    assert read_back(client, WAREHOUSES, [("E", row)]).same == 1


def test_a_key_that_may_not_read_is_a_note_and_no_error(odp: SandboxOdp) -> None:
    public = OdpClient(odp.url, odp.public_key)
    result = read_back(public, WAREHOUSES, [("E", {"warehouse_id": "E"})])
    assert "403" in result.note
    assert result.not_visible == ["E"]


def test_the_sample_is_repeatable_and_leaves_out_what_was_not_delivered(tmp_path: Path) -> None:
    staging = Staging(tmp_path, "dag", "run")
    with staging.write("bodies") as bodies, staging.write("states") as states, LineWriter(bodies) as lines:
        writer = BodyWriter(lines, FrameWriter(states), 10)
        for number in range(95):
            state = ItemState(str(number), "0" * 32, "0" * 32, "", True, str(number))
            writer.add(b'{"n":%d}' % number, ItemState.write([state]))
        writer.close()
    uploads = [{"bodies": "bodies", "states": "states", "requests": writer.bodies}]
    left_out = frozenset(map(str, range(0, 95, 2)))
    first = sample_delivered(uploads, staging, 20, "seed", left_out)
    assert first == sample_delivered(uploads, staging, 20, "seed", left_out)
    assert len(first) == len(dict(first)) == 20
    assert all(item == {"n": int(key)} and int(key) % 2 for key, item in first)
    assert first != sample_delivered(uploads, staging, 20, "another seed", left_out)
