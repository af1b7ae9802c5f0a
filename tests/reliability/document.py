"""docs/reliability.md: what the matrix measured, inside the words of document.md."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.world import PROJECT
from tests.reliability.faults import Fault

DOCUMENT = PROJECT / "docs" / "reliability.md"
WORDS = Path(__file__).with_suffix(".md")


def written(faults: Sequence[Fault], families: Sequence[str], results: Mapping[tuple[str, str], Any]) -> str:
    """
    Return the document.

    :param faults: the faults, in order.
    :param families: the families, in order.
    :param results: what each cell showed.
    """
    groups = itertools.groupby(faults, lambda fault: fault.survived)
    measured = ((fault, family, results[fault.name, family]) for fault, family in itertools.product(faults, families))
    words = WORDS.read_text()
    words = words.replace("{{faults}}", _rows(("<br>".join(fault.name for fault in group), text) for text, group in groups))
    return words.replace(
        "{{results}}",
        _rows(
            (fault.name, family, r.extracted, r.due, r.stored, r.doubled, r.lost, r.first, r.then)
            for fault, family, r in measured
        ),
    )


def _rows(rows: Iterable[Iterable[Any]]) -> str:
    return "".join(f"| {' | '.join(map(str, row))} |\n" for row in rows)
