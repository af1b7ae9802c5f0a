"""
``python -m tests.reliability.loader [CONFIRM_ROWS]``: load a run's parts in a process of its own, which a test may kill.

With CONFIRM_ROWS, so many acknowledged records are written to the ledger at a time, and not thousands.
"""

from __future__ import annotations

import sys

from odp.core import deliver
from tests.reliability.harness import run_from_json

if __name__ == "__main__":
    if len(sys.argv) > 1:
        deliver.CONFIRM_ROWS = int(sys.argv[1])
    run = run_from_json(sys.stdin.read())
    run.load()
