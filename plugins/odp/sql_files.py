"""Where the SQL files lie."""

from __future__ import annotations

import os
from pathlib import Path

SQL_DIR = os.environ.get("ODP_SQL_DIR") or str(Path(__file__).resolve().parents[2] / "include" / "sql")
"""``include/sql`` beside ``plugins``, or the environment variable ``ODP_SQL_DIR``."""
