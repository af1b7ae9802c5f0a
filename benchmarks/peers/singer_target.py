"""A Singer target for ODP: a BatchSink of the SDK that sends 500 records a request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import requests
import singer_sdk.typing as th
from singer_sdk import Target
from singer_sdk.contrib.msgspec import MsgSpecReader
from singer_sdk.sinks import BatchSink

from benchmarks.peers.profiles import BATCH, CONTRACT, HEADERS, URL, to_profile

_TIMES = ("last_login_at", "created_at")


class OdpSink(BatchSink):
    """Sends batches of profiles."""

    max_size = BATCH

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._session = requests.Session()
        self._session.headers.update(HEADERS)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Send one batch."""
        profiles = [to_profile(_with_times(record)) for record in context["records"]]
        CONTRACT.validate_python(profiles)
        self._session.post(f"{URL}/v3/profiles", data=orjson.dumps(profiles)).raise_for_status()


def _with_times(record: dict[str, Any]) -> dict[str, Any]:
    times = {name: datetime.fromisoformat(record[name]) for name in _TIMES if isinstance(record[name], str)}
    return {**record, **times}


class TargetOdp(Target):
    """The target."""

    name = "target-odp"
    config_jsonschema = th.PropertiesList().to_dict()
    default_sink_class = OdpSink
    message_reader_class = MsgSpecReader


if __name__ == "__main__":
    TargetOdp.cli()
