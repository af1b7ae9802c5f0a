"""Optimizely's own SDK sends its events here over real HTTP."""

from __future__ import annotations

import pytest
from optimizely.odp.odp_config import OdpConfig
from optimizely.odp.odp_event_manager import OdpEventManager

from sandbox.odp.server import SandboxOdp


@pytest.mark.parametrize("key", ["key", "public_key"])
def test_event_manager_delivers(server: SandboxOdp, key: str) -> None:
    manager = OdpEventManager(flush_interval=1)
    manager.start(OdpConfig(api_key=getattr(server, key), api_host=server.url))
    for number in range(25):
        manager.send_event("fullstack", "identified", {"vuid": f"v{number}"}, {"plan": "gold", "seats": number})
    manager.stop()
    assert server.counts()["events"] == {"fullstack/identified": 25}
    events = server.dump("events")
    assert [event["identifiers"] for event in events] == [{"vuid": f"v{number}"} for number in range(25)]
    assert len({event["data"]["idempotence_id"] for event in events}) == 25
    assert server.counts()["requests"] == {"202": 3}


def test_event_manager_repeats_after_errors(server: SandboxOdp) -> None:
    server.faults(path="/v3/events", status=503)
    server.faults(path="/v3/events", mode="store_then_drop")
    manager = OdpEventManager(flush_interval=1)
    manager.start(OdpConfig(api_key=server.key, api_host=server.url))
    manager.send_event("pageview", "", {"vuid": "v1"}, {})
    manager.stop()
    # The dropped answer hid that the event was stored: the repeat stores it again, under the same idempotence_id.
    first, second = server.dump("events")
    assert first == second
    assert [entry["status"] for entry in server.requests()] == [503, None, 202]
