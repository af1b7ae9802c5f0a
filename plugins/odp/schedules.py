"""
When the DAGs run: the team's own times, from a file that lies with the DAGs.

Airflow has to know a DAG's schedule when it reads the DAG's file, every half minute and again for each task. So the schedules
are not in the Variable ``odp_settings``: Airflow advises against asking its database at that time.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from airflow.sdk import CronDataIntervalTimetable
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert
from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from odp.core.exceptions import SettingsError
from odp.deadlines import DueDeadline
from odp.notifier import OdpNotifier

DEFAULT_FILE = Path(__file__).resolve().parents[2] / "include" / "schedules.json"
"""``include/schedules.json`` beside ``plugins``; the environment variable ``ODP_SCHEDULES`` may name another file."""

TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class DagSchedule(BaseModel):
    """The times of one DAG."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schedule: str | None = Field(default=None, description="Cron expression; null for no schedule.")
    deadline: TimeOfDay | Annotated[int, Field(ge=1)] | None = Field(
        default=None,
        description="When a scheduled run has to be finished: the next HH:MM after it is due, or a number of minutes after that.",
    )

    @field_validator("schedule")
    @classmethod
    def _is_a_cron_expression(cls, value: str | None) -> str | None:
        if value is not None and not croniter.is_valid(value):
            raise ValueError(f"{value!r} is no cron expression; write one such as 30 2 * * *")
        return value


class Schedules(BaseModel):
    """The content of the file. What it does not name stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    timezone: str = Field(default="UTC", description="IANA time zone of all schedules and deadlines.")
    dags: dict[str, DagSchedule] = Field(default_factory=dict, description="By the id of the DAG.")

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (LookupError, OSError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone; write one such as Europe/Berlin") from error
        return value

    def timetable(self, dag_id: str, default: str | None) -> CronDataIntervalTimetable | None:
        """
        Return when a DAG runs.

        :param dag_id: id of the DAG.
        :param default: cron expression of a DAG that the file gives no schedule; ``None`` for none.
        :return: ``None`` for a DAG without a schedule.
        """
        own = self.dags.get(dag_id)
        expression = own.schedule if own and "schedule" in own.model_fields_set else default
        return CronDataIntervalTimetable(expression, timezone=self.timezone) if expression else None

    def deadline(self, dag_id: str) -> DeadlineAlert | None:
        """
        Return the alert for scheduled runs that are not finished in time.

        :param dag_id: id of the DAG.
        """
        own = self.dags.get(dag_id)
        if own is None or own.deadline is None:
            return None
        if isinstance(own.deadline, str):
            reference, interval = DueDeadline(own.deadline, self.timezone), timedelta(0)
        else:
            reference, interval = DueDeadline(), timedelta(minutes=own.deadline)
        return DeadlineAlert(
            reference=reference,
            interval=interval,
            # The triggerer calls it, whether or not a worker is free or alive.
            callback=AsyncCallback(OdpNotifier, kwargs={"event": "deadline"}),
            name=f"{dag_id} is late",
        )


def read_schedules(path: Path | None = None) -> Schedules:
    """
    Read the file of the schedules.

    :param path: the file; by default the one that ``ODP_SCHEDULES`` names, else ``include/schedules.json``, which need not exist.
    :raises SettingsError: if the file cannot be read, naming it and what is wrong. Airflow shows it as an import error.
    """
    named = path or os.environ.get("ODP_SCHEDULES")
    file = Path(named or DEFAULT_FILE)
    try:
        return Schedules.model_validate(json.loads(file.read_bytes()))
    except FileNotFoundError as error:
        if named is None:
            return Schedules()
        raise SettingsError(f"The file of the schedules {file} does not exist. Create it, or unset ODP_SCHEDULES.") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"The file of the schedules {file} is not valid JSON: {error}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise SettingsError(f"The file of the schedules {file} is wrong: {problems}.") from error
