"""
``python -m odp.import_jobs``: turn Commerce's job definitions into settings of the exports.

Reads them from the replica, on the Airflow connection ``commerce_db`` (another id or a connection string may be given), and
prints what each of the six jobs becomes, what cannot be taken over, and two JSON documents: the value of the Variable
``odp_settings`` and the content of ``include/schedules.json``. Changes nothing, unless told to write the documents to files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from odp.core.commerce_jobs import read_jobs
from odp.core.exceptions import OdpExportError
from odp.core.job_translation import Translation, translate
from odp.core.settings import VARIABLE_NAME, read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    :param arguments: the command line; by default the process's own.
    :return: 0, or 1 if the replica or the settings cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m odp.import_jobs", description="Turn Commerce's jobs into settings.")
    parser.add_argument(
        "replica", nargs="?", default="commerce_db", help="Airflow connection id, or a postgresql:// connection string"
    )
    parser.add_argument("--timezone", default="UTC", help="IANA time zone of the schedules, such as Europe/Berlin (default: UTC)")
    parser.add_argument("--settings", type=Path, help=f"write the value of the Variable {VARIABLE_NAME} to this file")
    parser.add_argument("--schedules", type=Path, help="write the schedules to this file, such as include/schedules.json")
    options = parser.parse_args(arguments)
    try:
        zone = ZoneInfo(options.timezone)
    except (LookupError, OSError, ValueError):
        parser.error(f"{options.timezone!r} is no time zone; write one such as Europe/Berlin")
    try:
        with _connect(options.replica) as connection:
            translations = translate(read_jobs(connection), zone, datetime.now(timezone.utc))
        settings = _with_exports(_present_settings(options.replica), translations)
    except (OdpExportError, psycopg.Error) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    schedules = {"timezone": options.timezone, "dags": {dag_id: t.schedule for dag_id, t in translations.items() if t.schedule}}
    _say(_explain(translations))
    _say(_document(f"The value of the Variable {VARIABLE_NAME}", settings, options.settings))
    _say(_document("include/schedules.json", schedules, options.schedules))
    return 0


def _connect(replica: str) -> psycopg.Connection[Any]:
    if "://" in replica:
        return psycopg.connect(replica)
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    return PostgresHook(postgres_conn_id=replica).get_conn()  # type: ignore[return-value]


def _present_settings(replica: str) -> dict[str, Any]:
    """Return the settings that Airflow has, so that they are kept; none where no Airflow is asked."""
    if "://" in replica:
        return {}
    from airflow.sdk import Variable

    value = Variable.get(VARIABLE_NAME, default=None)
    read_settings(value)  # only to refuse wrong ones
    return dict(json.loads(value)) if value else {}


def _with_exports(settings: Mapping[str, Any], translations: Mapping[str, Translation]) -> dict[str, Any]:
    exports = dict(settings.get("exports", {}))
    for dag_id, translation in translations.items():
        if merged := {**exports.get(dag_id, {}), **translation.settings}:
            exports[dag_id] = merged
    return {**settings, "exports": exports}


def _explain(translations: Mapping[str, Translation]) -> Iterable[str]:
    for dag_id, translation in translations.items():
        yield f"{translation.title} ({dag_id})" + (f", from the job {translation.job!r}" if translation.job else "")
        yield from (f"  {line}" for line in translation.explanation)
        yield from (f"  ! {line}" for line in translation.remarks)
        yield ""


def _document(title: str, content: Mapping[str, Any], file: Path | None) -> Iterable[str]:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    if file:
        file.write_text(text + "\n", encoding="utf-8")
        yield f"{title}: written to {file}"
    else:
        yield f"{title}:"
        yield ""
        yield text
    yield ""


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    sys.exit(main())
