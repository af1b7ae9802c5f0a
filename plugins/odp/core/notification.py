"""
What people are told about a run: the message, and who gets it.

A message leaves the systems that may hold personal data, so none goes into it: ODP's words and the texts of errors stay in
Airflow's log, which the message links to, rejected people are named by Commerce's id, and e-mail addresses are masked.
"""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from odp.core import exceptions
from odp.core.run_history import FATES, EndedRun, KeptReject
from odp.core.settings import Notification

Event = Literal["success", "failure", "deadline"]

_ADDRESS = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")
_ID = re.compile(r"[0-9A-Fa-f-]{36}")
_HEADLINES: dict[Event, str] = {"success": "succeeded", "failure": "failed", "deadline": "is not finished in time"}


def mask(text: str) -> str:
    """
    Make e-mail addresses unreadable: ``ana@example.com`` becomes ``a***@***``.

    :param text: any text.
    """
    return _ADDRESS.sub(lambda found: f"{found.group()[0]}***@***", text)


@dataclass(frozen=True, kw_only=True)
class Message:
    """
    What is told about a run.

    :param event: what has happened to it.
    :param title: name of the DAG for people.
    :param run_id: the run.
    :param link: address of the run in Airflow's UI.
    :param failed_task: the task that failed.
    :param deadline: the deadline it missed.
    :param dry_run: whether it sent nothing on purpose.
    :param run: what the ledger knows of it; ``None`` if it could not be asked or knows nothing.
    :param is_about_people: whether the keys of its records are people's addresses or names.
    """

    event: Event
    title: str
    run_id: str
    link: str
    failed_task: str | None = None
    deadline: str | None = None
    dry_run: bool = False
    run: EndedRun | None = None
    is_about_people: bool = False

    @property
    def rejected(self) -> int:
        """Number of rejected rows."""
        return self.run.counts["rejected"] if self.run else 0

    @cached_property
    def subject(self) -> str:
        """One line: which export, and what happened."""
        rejected = f", {self.rejected} rows rejected" if self.rejected else ""
        return f"{self.title} {_HEADLINES[self.event]}{rejected}{' (dry run)' if self.dry_run else ''}"

    @cached_property
    def text(self) -> str:
        """The message as plain text."""
        return "\n".join((f"{self.subject}.", "", *(f"{name}: {value}" for name, value in self._lines()))) + "\n"

    @cached_property
    def html(self) -> str:
        """The message as HTML."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_linked(value) if value == self.link else html.escape(value)}</td></tr>"
            for name, value in self._lines()
        )
        return f"<p><b>{html.escape(self.subject)}.</b></p><table>{rows}</table>"

    def _lines(self) -> Iterator[tuple[str, str]]:
        yield "Run", self.run_id
        if self.deadline:
            yield "Deadline", self.deadline
        if self.run:
            start, end = self.run.window
            yield "Modified from", "the beginning" if start == "-infinity" else start
            yield "Modified before", "no end" if end == "infinity" else end
        if self.failed_task:
            yield "Failed task", self.failed_task
        if cause := _cause(self.run):
            yield "Cause", cause
        if self.run and self.run.is_counted:
            fates = ", ".join(f"{self.run.counts[name]} {name.replace('_', ' ')}" for name in FATES)
            yield "Rows", f"{self.run.counts['extracted']} extracted: {fates}"
        rejects = self.run.rejects if self.run else ()
        for number, reject in enumerate(rejects, start=1):
            yield f"Reject {number}", _in_words(reject, is_about_people=self.is_about_people)
        yield "Details and logs", self.link
        if self.event != "success":
            yield "What to do", "docs/operations.md"


def _linked(address: str) -> str:
    escaped = html.escape(address)
    return f'<a href="{escaped}">{escaped}</a>'


def _cause(run: EndedRun | None) -> str | None:
    """Say what kind of error ended a run. The error's own text may quote what was in a row."""
    if run is None or run.error is None:
        return None
    name = [*run.error.split(": ", 2), ""][1]
    error = getattr(exceptions, name, None)
    meaning = inspect.getdoc(error) if error else None
    return f"{name}: {meaning.splitlines()[0]}" if meaning else name if name.isidentifier() else None


def _in_words(reject: KeptReject, *, is_about_people: bool) -> str:
    key = reject.record_key
    if is_about_people:
        key = reject.entity_id if _ID.fullmatch(reject.entity_id) else "(named in the log)"
    # ODP may quote the value that it refuses; the checks of this package name the field and the rule only.
    reason = "refused by ODP, whose words are in the log" if reject.odp_answer else reject.reason
    return mask(f"{key}: {reason}")


def wanted(notifications: Sequence[Notification], message: Message) -> list[Notification]:
    """
    Tell who wants a message; whoever wants it for several conditions gets it once.

    :param notifications: who wants to be told of what.
    :param message: what is told.
    """
    conditions: set[str] = {"always", message.event}
    if message.event == "deadline":
        conditions.add("failure")
    elif message.rejected:
        conditions.add("rejects")
    found: list[Notification] = []
    for one in notifications:
        if one.condition in conditions and not any(_same_receiver(one, other) for other in found):
            found.append(one)
    return found


def _same_receiver(one: Notification, other: Notification) -> bool:
    return one.model_dump(exclude={"condition"}) == other.model_dump(exclude={"condition"})
