"""Where the files of ``include`` lie that a team edits."""

from __future__ import annotations

import os
from pathlib import Path

SQL_DIR = os.environ.get("ODP_SQL_DIR") or str(Path(__file__).resolve().parents[2] / "include" / "sql")
"""``include/sql`` beside ``plugins``, or the environment variable ``ODP_SQL_DIR``."""

CUSTOM_SQL_DIR = str(Path(SQL_DIR, "custom"))
"""A team's own queries for custom properties."""

CUSTOM_DIR = str(Path(SQL_DIR).parent / "custom")
"""A team's own Python functions for custom properties: ``include/custom``, beside the folder of the SQL files."""
