"""Singer: tap-postgres (MeltanoLabs) piped to the target of ``singer_target.py``, after the tap's own discovery."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.profiles import DSN, SCHEMA


def main() -> None:
    """Discover, select everything, and pipe."""
    folder = Path(sys.argv[1])
    programs = Path(sys.executable).parent
    config, catalog = folder / "config.json", folder / "catalog.json"
    # The tap insists on a password, which the server does not ask for.
    url = DSN.replace("postgresql://", "postgresql+psycopg2://").replace("@", ":unused@", 1)
    config.write_text(json.dumps({"sqlalchemy_url": url, "filter_schemas": [SCHEMA]}))
    tap = [str(programs / "tap-postgres"), "--config", str(config)]
    found = json.loads(subprocess.run([*tap, "--discover"], stdout=subprocess.PIPE, check=True).stdout)
    for stream in found["streams"]:
        stream["replication_method"], stream["key_properties"] = "FULL_TABLE", ["email"]
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    catalog.write_text(json.dumps(found))
    with subprocess.Popen([*tap, "--catalog", str(catalog)], stdout=subprocess.PIPE) as source:
        target = [sys.executable, "-m", "benchmarks.peers.singer_target"]
        sent = subprocess.run(target, stdin=source.stdout, stdout=subprocess.DEVNULL, check=False)
    sys.exit(source.returncode or sent.returncode)


if __name__ == "__main__":
    main()
