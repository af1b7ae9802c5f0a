"""
dlt: sql_table into a custom destination, tuned as dlt's "Optimizing dlt" advises.

Arrow instead of Python rows between the stages (backend pyarrow, parquet files), files rotated so that load jobs run side by
side, eight load workers, no dlt columns, no compression, no telemetry.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

from benchmarks.peers.profiles import BATCH, CONTRACT, DSN, HEADERS, ROWS, SCHEMA, URL, VIEW, to_profile

WORKERS = 8
_FILE_ROWS = str(min(50_000, max(5_000, ROWS // (2 * WORKERS))))

os.environ.update({
    "DATA_WRITER__FILE_MAX_ITEMS": _FILE_ROWS,
    "DATA_WRITER__BUFFER_MAX_ITEMS": _FILE_ROWS,
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__WORKERS": str(os.cpu_count() or 1),
    "NORMALIZE__START_METHOD": "spawn",
    "LOAD__WORKERS": str(WORKERS),
    "LOAD__DELETE_COMPLETED_JOBS": "true",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "ERROR",
})  # fmt: skip

import dlt  # noqa: E402 - after its settings
import requests  # noqa: E402
from dlt.common.json import json  # noqa: E402
from dlt.sources.sql_database import sql_table  # noqa: E402

_local = threading.local()


@dlt.destination(
    batch_size=BATCH,
    loader_file_format="parquet",
    name="odp",
    skip_dlt_columns_and_tables=True,
    max_parallel_load_jobs=WORKERS,
    loader_parallelism_strategy="parallel",
)
def odp(items: Any, table: Any) -> None:
    """Send one batch."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers.update(HEADERS)
    profiles = [to_profile(row) for row in (items if isinstance(items, list) else items.to_pylist())]
    CONTRACT.validate_python(profiles)
    _local.session.post(f"{URL}/v3/profiles", data=json.dumpb(profiles)).raise_for_status()


def main() -> None:
    """Send every row of the view."""
    folder = sys.argv[1]
    rows = sql_table(
        DSN.replace("postgresql://", "postgresql+psycopg2://"),
        table=VIEW,
        schema=SCHEMA,
        backend="pyarrow",
        chunk_size=int(_FILE_ROWS),
        reflection_level="full",
    )
    pipeline = dlt.pipeline("benchmark", destination=odp, pipelines_dir=folder, progress=None)
    pipeline.run(rows).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
