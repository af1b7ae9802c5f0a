"""``python -m tests.reliability.loader``: load a run's parts in a process of its own, which a test may kill."""

from __future__ import annotations

import sys

from tests.reliability.harness import run_from_json

if __name__ == "__main__":
    run = run_from_json(sys.stdin.read())
    run.load()
