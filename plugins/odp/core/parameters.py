"""The parameters of every export: names, rules and the texts shown in Airflow's trigger form."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from odp.core.exceptions import ParameterError


@dataclass(frozen=True)
class Parameter:
    """
    One parameter of an export.

    :param name: as Commerce's integration jobs spell it, where they have it.
    :param default: value of a run that does not give it.
    :param schema: JSON schema of the value, checked by Airflow when a run is triggered.
    :param title: label in the trigger form.
    :param description: help text in the trigger form and in the documentation.
    """

    name: str
    default: Any
    schema: dict[str, Any]
    title: str
    description: str


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        name="LookBackDays",
        default=None,
        schema={"type": ["null", "integer"], "minimum": 1, "examples": [1, 7, 30]},
        title="Look-back days",
        description="Only entities modified within this many days (24 hours each). Example: 7. "
        "Not together with a start or end date.",
    ),
    Parameter(
        name="StartDate",
        default=None,
        schema={"type": ["null", "string"], "format": "date-time", "examples": ["2026-11-01T00:00:00+00:00"]},
        title="Start date",
        description="Only entities modified at or after this time. A time without zone is UTC. Example: 2026-11-01T00:00:00Z.",
    ),
    Parameter(
        name="EndDate",
        default=None,
        schema={"type": ["null", "string"], "format": "date-time", "examples": ["2026-11-08T00:00:00+00:00"]},
        title="End date",
        description="Only entities modified before this time. A time without zone is UTC. Example: 2026-11-08T00:00:00Z.",
    ),
    Parameter(
        name="Ids",
        default=None,
        schema={"type": ["null", "array"], "items": {"type": "string"}},
        title="Only these entities",
        description="Commerce ids (GUIDs) or natural keys: product number, order number, customer number, user name, "
        "warehouse name. One a line. Example: W00001234.",
    ),
    Parameter(
        name="DryRun",
        default=False,
        schema={"type": "boolean"},
        title="Dry run",
        description="Do everything but the sending: the request bodies are kept, and the log of load says where.",
    ),
    Parameter(
        name="Resend",
        default=False,
        schema={"type": "boolean"},
        title="Send unchanged records too",
        description="Send records even when ODP has already acknowledged the same content.",
    ),
)

LINEAGE_KEY = "openlineage"
"""What Airflow's TriggerDagRunOperator adds to a run's configuration where OpenLineage is active."""

PARAMETER_NAMES = tuple(parameter.name for parameter in PARAMETERS)


def refuse_unknown_parameters(names: Iterable[str], known_names: Sequence[str] = PARAMETER_NAMES) -> None:
    """
    Refuse names that a DAG does not know, which Airflow itself lets through.

    :param names: the keys of the run's configuration; the one that Airflow itself adds for lineage is let through.
    :param known_names: the DAG's parameters; those of an export by default.
    :raises ParameterError: naming the nearest known parameter.
    """
    for name in names:
        if name in known_names or name == LINEAGE_KEY:
            continue
        nearest = difflib.get_close_matches(name.lower(), [known.lower() for known in known_names], n=1)
        hint = next((f" Did you mean {known}?" for known in known_names if nearest == [known.lower()]), "")
        raise ParameterError(f"Unknown parameter {name!r}.{hint} Known parameters: {', '.join(known_names)}.")


def read_ids(value: Any) -> list[str] | None:
    """
    Read the ``Ids`` parameter.

    :param value: a list of texts, or nothing.
    :return: the ids, trimmed and without repeats; ``None`` for "all entities".
    :raises ParameterError: if it is not a list of texts, or is a list of nothing but blanks.
    """
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ParameterError(f'Ids must be a list of texts such as ["1001", "1002"], not {value!r}.')
    ids = list(dict.fromkeys(item.strip() for item in value if item.strip()))
    if not ids:
        raise ParameterError("Ids holds only blanks. Leave it empty to export all entities of the window.")
    return ids
