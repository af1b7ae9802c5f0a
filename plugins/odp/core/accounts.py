"""
Several ODP accounts: which websites each gets, and in one run of an export what went wrong with each and what all come to.

Each account has a ledger, staged files and a reconciliation of its own; this module puts the results together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from odp.core.exceptions import AccountsError, SettingsError
from odp.core.run_history import COUNTS, EndedRun

if TYPE_CHECKING:
    from odp.core.settings import Settings

MANIFEST = "accounts.json"
"""The staged file in which extract says which accounts the run is for, and why it could not extract for some."""


def account_connections(settings: Settings) -> tuple[str, ...]:
    """
    Return the ids of the connections of several accounts, in the order of their websites; none for the one account.

    :param settings: the team's settings.
    """
    return tuple(dict.fromkeys(settings.accounts.values()))


def settings_of_account(settings: Settings, connection: str) -> Settings:
    """
    Return what holds for one of several accounts: its own websites are sent.

    :param settings: the team's settings.
    :param connection: id of its connection.
    :raises SettingsError: if the settings name no such account.
    """
    websites = tuple(website for website, other in settings.accounts.items() if other == connection)
    if not websites:
        raise SettingsError(
            f"The run was staged for the account {connection}, which the setting accounts does not name any more.",
            "Clear extract, to stage the run for the accounts of now.",
        )
    return settings.model_copy(update={"websites": websites})


def refuse_several(settings: Settings, what: str) -> None:
    """
    Refuse what works for one account only.

    :param settings: the team's settings.
    :param what: such as the id of a DAG.
    :raises SettingsError: if there are several accounts.
    """
    if settings.accounts:
        raise SettingsError(
            f"{what} works for one ODP account only, but the setting accounts routes websites to several.",
            "Pause it. The exports deliver to all accounts, and retry what an account did not take.",
        )


def refuse_same_account(names: Mapping[str, str], connection: str, name: str) -> None:
    """
    Refuse two connections that lead to the same account: their records would be taken for each other's.

    :param names: names in the ledger of the accounts so far, by connection.
    :param connection: id of another connection.
    :param name: name of its account.
    :raises SettingsError: naming both connections.
    """
    if twin := next((other for other, known in names.items() if known == name and other != connection), None):
        raise SettingsError(
            f"The connections {twin} and {connection} lead to the same ODP account.",
            "Route the websites of an account to one connection in the setting accounts.",
        )


def failures(staged: Mapping[str, Any], loaded: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """
    Tell which accounts did not get their rows, and why: the first reason of each.

    :param staged: the file ``accounts.json``.
    :param loaded: what load returned for each part.
    """
    found = dict(staged["failed"])
    for part in loaded:
        if "failed" in part:
            found.setdefault(part["account"], part["failed"])
    return found


def of_account(counts: Iterable[dict[str, Any]], connection: str) -> list[dict[str, Any]]:
    """
    Choose the parts of one account.

    :param counts: what a stage returned for each part.
    :param connection: id of the account's connection.
    """
    return [part for part in counts if part["account"] == connection]


def totals(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """
    Add the summaries of all accounts up.

    :param summaries: by the id of the account's connection.
    :return: the counts of all, and under ``accounts`` the summary of each.
    """
    first = next(iter(summaries.values()))
    return {
        "export": first["export"],
        "window": first["window"],
        **{name: sum(summary[name] for summary in summaries.values()) for name in COUNTS},
        "accounts": dict(summaries),
    }


def judge(failed: Mapping[str, str]) -> None:
    """
    Fail a run of which some accounts did not get all their rows.

    :param failed: reason by account.
    :raises AccountsError: naming each of them.
    """
    if failed:
        lines = "\n".join(f"  {connection}: {reason}" for connection, reason in failed.items())
        raise AccountsError(
            f"Not everything went through for {', '.join(failed)}; the other accounts got their rows. The reasons:\n{lines}\n",
            "Mend them. If a reason begins with extract, clear extract; if with load, clear load with all its map indexes: what "
            "an account has is not sent to it again.",
        )


def combined(runs: Sequence[EndedRun]) -> EndedRun | None:
    """
    Make one of what the history knows of a run by account.

    :param runs: the run in the ledger of each account that knows it.
    :return: ``None`` without any.
    """
    if not runs:
        return None
    return EndedRun(
        window=runs[0].window,
        counts={name: sum(run.counts[name] for run in runs) for name in COUNTS},
        is_counted=all(run.is_counted for run in runs),
        error=next((run.error for run in runs if run.error), None),
        rejects=[reject for run in runs for reject in run.rejects],
    )
