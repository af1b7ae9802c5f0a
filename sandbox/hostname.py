"""The host name that Airflow shows for what runs in a process: so that workers of one machine can be told apart."""

from __future__ import annotations

import os

VARIABLE = "SANDBOX_HOSTNAME"


def hostname() -> str:
    """Return the name, as Airflow's setting ``hostname_callable`` asks for it."""
    return os.environ.get(VARIABLE, "localhost")
