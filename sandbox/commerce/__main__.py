"""Command line of the generator: ``python -m sandbox.commerce --dsn postgresql://...``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime

from sandbox.commerce.generator import generate


def main(arguments: Sequence[str] | None = None) -> None:
    """
    Create and fill a replica, and print the number of rows per table.

    :param arguments: the command line; by default the process's own
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.commerce", description="Create and fill a Commerce replica.")
    parser.add_argument("--dsn", required=True, help="connection string of the database, postgresql://...")
    parser.add_argument("--schema", default="dbo", help="schema to drop and create (default: dbo)")
    parser.add_argument("--customers", type=int, default=2_000, help="rows in Customer and in UserProfile")
    parser.add_argument("--orders", type=int, default=20_000, help="rows in CustomerOrder")
    parser.add_argument("--products", type=int, default=1_000, help="rows in Product")
    parser.add_argument("--seed", type=int, default=1, help="the same seed and --now give the same rows")
    parser.add_argument("--now", type=datetime.fromisoformat, help="ISO 8601 with zone (default: this hour)")
    options = vars(parser.parse_args(arguments))
    began = time.monotonic()
    try:
        counts = generate(**options, report=lambda line: print(line, file=sys.stderr))
    except ValueError as error:
        parser.error(str(error))
    for table, count in counts.items():
        print(f"{table:<24}{count:>12,}")
    print(f"{sum(counts.values()):,} rows in {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
