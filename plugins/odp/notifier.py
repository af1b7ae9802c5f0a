"""The notifier of all DAGs: it tells those whom the settings name, through the notifiers that they name."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier, Variable

from odp.core.exports import EXPORTS, OPTIONAL_EXPORTS
from odp.core.settings import EMAIL, VARIABLE_NAME, Notification, read_settings

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from odp.core.notification import Event, Message
    from odp.core.run_history import EndedRun


class OdpNotifier(BaseNotifier):
    """
    Tell how a run ended, or that it is late, by the list ``notify`` of the settings.

    The settings are read when there is something to tell, so a change holds for the next message. Nothing that goes wrong here
    changes a run's state; it is logged, and the other receivers still get their message.

    :param event: what has happened: ``success``, ``failure`` or ``deadline``.
    :param odp_conn_id: connection to the ODP account, which tells the account's runs in the ledger from others.
    :param ledger_conn_id: PostgreSQL connection to the ledger.
    :param context: Airflow's context, where it does not call the notifier with it.
    """

    def __init__(
        self,
        event: Event,
        *,
        odp_conn_id: str = "odp_default",
        ledger_conn_id: str = "odp_ledger",
        context: Context | None = None,
    ) -> None:
        super().__init__(context=context)
        self.event = event
        self.odp_conn_id = odp_conn_id
        self.ledger_conn_id = ledger_conn_id

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """
        Render nothing, having no templates: ``airflow dags test`` hands over a DAG that could not.

        :param context: Airflow's context.
        :param jinja_env: not needed.
        """

    async def async_notify(self, context: Context) -> None:
        """
        Tell it from the triggerer, which runs the callback of a missed deadline.

        :param context: has no more than ``dag_run`` and ``deadline``.
        """
        await asyncio.to_thread(self.notify, context)

    def notify(self, context: Context) -> None:
        """
        Tell it.

        :param context: Airflow's context.
        """
        from odp.core.notification import wanted

        try:
            run = _run_of(context)
            receivers = read_settings(Variable.get(VARIABLE_NAME, default=None)).for_export(run["dag_id"]).notify
            if not receivers:
                return
            message = self._message(context, run)
            for receiver in wanted(receivers, message):
                self._send(receiver, message, context)
        except Exception:
            self.log.exception("Nobody could be told of this %s", self.event)

    def _message(self, context: Context, run: Mapping[str, Any]) -> Message:
        from odp.core.notification import Message

        task = context.get("ti")
        return Message(
            event=self.event,
            title=run["title"],
            run_id=run["run_id"],
            link=_link(run["dag_id"], run["run_id"]),
            failed_task=task.task_id if task and self.event == "failure" else None,
            deadline=str(context["deadline"]["deadline_time"]) if "deadline" in context else None,  # type: ignore[typeddict-item]
            dry_run=bool((run["conf"] or {}).get("DryRun")),
            run=self._history(run["dag_id"], run["run_id"]),
            is_about_people=any(export.dag_id == run["dag_id"] and export.family == "profiles" for export in EXPORTS),
        )

    def _history(self, dag_id: str, run_id: str) -> EndedRun | None:
        """Ask the ledger for the run; the message goes out without its answer, too."""
        if dag_id not in {export.dag_id for export in (*EXPORTS, *OPTIONAL_EXPORTS)}:
            return None
        try:
            from odp.core.accounts import account_connections, combined
            from odp.core.ledger import Ledger
            from odp.core.run_history import read_run
            from odp.hooks.ledger import connect_to_ledger
            from odp.hooks.odp import OdpHook

            settings = read_settings(Variable.get(VARIABLE_NAME, default=None))
            runs = []
            for connection in account_connections(settings) or (self.odp_conn_id,):
                account = OdpHook(connection).account
                with Ledger(connect_to_ledger(self.ledger_conn_id), account, dag_id) as ledger:
                    runs.append(read_run(ledger, run_id))
            return combined(list(filter(None, runs)))
        except Exception as error:
            self.log.warning("The message has no counts, because the ledger could not be asked: %s", error)
            return None

    def _send(self, receiver: Notification, message: Message, context: Context) -> None:
        try:
            texts = {"subject": message.subject, "text": message.text, "html": message.html}
            _notifier(receiver)({**_renderable(context), "odp": texts})
        except Exception:
            self.log.exception("The notifier %s could not tell: %s", receiver.notifier, message.subject)


def _notifier(receiver: Notification) -> BaseNotifier:
    if receiver.notifier != EMAIL:
        return pkgutil.resolve_name(receiver.notifier)(**receiver.arguments)
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    # As templates: what is rendered into them is not rendered again, whatever a row holds.
    texts = {"subject": "{{ odp.subject }}", "html_content": "{{ odp.html }}"}
    return SmtpNotifier(to=list(receiver.to), smtp_conn_id=receiver.connection, **{**texts, **receiver.arguments})


def _renderable(context: Context) -> dict[str, Any]:
    """Return the context without a DAG that cannot render templates, as the one of ``airflow dags test`` cannot."""
    return {name: value for name, value in context.items() if name != "dag" or hasattr(value, "get_template_env")}


def _run_of(context: Context) -> dict[str, Any]:
    """Return what every message says of a run. For a missed deadline, Airflow gives the run as JSON and nothing else."""
    run: Any = context.get("dag_run")
    if isinstance(run, Mapping):
        known = {"dag_id": run["dag_id"], "title": run["dag_display_name"], "run_id": run["dag_run_id"], "conf": run["conf"]}
    else:
        dag, conf = context["dag"], run.conf if run else None
        known = {"dag_id": dag.dag_id, "title": dag.dag_display_name, "run_id": context["run_id"], "conf": conf}
    return known


def _link(dag_id: str, run_id: str) -> str:
    """Return the address of a run in Airflow's UI."""
    from airflow.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")
    return f"{base}/dags/{dag_id}/runs/{quote(run_id, safe='')}"
