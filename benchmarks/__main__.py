"""
``make bench``, or ``python -m benchmarks``: measure, print the tables, write the document with its pictures.

Each section can be measured alone; the document is then written from its new figures and the others' latest of the same size.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from benchmarks.budgets import BUDGET_ROWS
from benchmarks.document import write_document
from benchmarks.measure import BenchmarkError
from benchmarks.suite import SECTIONS, Suite
from benchmarks.world import BenchmarkWorld
from sandbox.world import PROJECT

FOLDER = PROJECT / ".benchmarks"


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sections = "\n".join(f"  {name:<13} {method.__doc__}" for name, method in SECTIONS.items())
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"what to measure (default: everything):\n{sections}")
    parser.add_argument("--rows", type=int, default=BUDGET_ROWS, help=f"rows; the budgets are for {BUDGET_ROWS:,}, the default")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"where replicas, environments and results are kept ({FOLDER})"
    )
    parser.add_argument(
        "--docs",
        type=Path,
        help=f"where benchmarks.md and images/ are written: docs/ at {BUDGET_ROWS:,} rows or more, else the folder",
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.sections) - set(SECTIONS)):
        parser.error(f"unknown: {', '.join(unknown)}. Sections are {', '.join(SECTIONS)}.")
    if given.rows < 1:
        parser.error("--rows must be at least 1.")
    # Ended by kill, it stops its servers as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(width=150)
    try:
        with BenchmarkWorld(given.folder) as world:
            suite = Suite(world, given.rows, lambda line: console.print(line, markup=False, highlight=False))
            results = suite.run(given.sections or list(SECTIONS))
    except BenchmarkError as error:
        console.print(f"{error}\nWhat was measured before this is kept; SECTIONS names what to measure again.", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130
    docs = given.docs or (PROJECT / "docs" if given.rows >= BUDGET_ROWS else given.folder)
    page = write_document(results, docs)
    for section in page.read_text(encoding="utf-8").split("\n## ")[1:3]:  # the budgets and the comparison
        console.print(Markdown(f"## {section}"))
    console.print(f"Written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
