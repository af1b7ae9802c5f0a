"""
By when a scheduled run has to be finished, as a reference for Airflow's deadline alerts.

Airflow's own references do not fit: the logical date is the start of the data interval, which has no fixed distance to the time
at which the run is due, and the queueing time would hold a backfill or a full export by hand to the deadline of the daily run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from airflow.sdk.definitions.deadline import BaseDeadlineReference

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(eq=False)
class DueDeadline(BaseDeadlineReference):
    """
    Some time after a scheduled run is due. Other runs have no deadline.

    :param time_of_day: the next such time, ``HH:MM``; without it the time at which the run is due.
    :param timezone: IANA time zone of that time.
    """

    time_of_day: str | None = None
    timezone: str = "UTC"

    required_kwargs: ClassVar[set[str]] = {"dag_id", "run_id"}

    def serialize_reference(self) -> dict[str, Any]:
        """Return the reference as Airflow stores it."""
        return {**super().serialize_reference(), "time_of_day": self.time_of_day, "timezone": self.timezone}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> DueDeadline:
        """
        Return the reference that Airflow has stored.

        :param reference_data: what :meth:`serialize_reference` returned.
        """
        return cls(reference_data["time_of_day"], reference_data["timezone"])

    def _evaluate_with(self, *, session: Session, dag_id: str, run_id: str) -> datetime | None:
        """Return the deadline of a run that Airflow is about to create."""
        from airflow.models import DagRun
        from airflow.utils.types import DagRunType
        from sqlalchemy import select

        of_this_run = (DagRun.dag_id == dag_id, DagRun.run_id == run_id, DagRun.run_type == DagRunType.SCHEDULED)
        due = session.scalar(select(DagRun.run_after).where(*of_this_run))
        return due and self.after(due)

    def after(self, due: datetime) -> datetime:
        """
        Return the deadline of a run.

        :param due: when the run was due.
        """
        if self.time_of_day is None:
            return due
        local = due.astimezone(ZoneInfo(self.timezone))
        deadline = datetime.combine(local.date(), time.fromisoformat(self.time_of_day), local.tzinfo)
        if deadline <= local:
            deadline = datetime.combine(local.date() + timedelta(days=1), deadline.time(), local.tzinfo)
        return deadline
