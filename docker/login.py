"""Writes the one login of Airflow's UI, from two environment variables, to the file where SimpleAuthManager looks for it."""

from __future__ import annotations

import json
import os
from pathlib import Path


def main() -> None:
    """Write the file; only its owner may read it."""
    user, password = os.environ["AIRFLOW_ADMIN_USER"], os.environ["AIRFLOW_ADMIN_PASSWORD"]
    file = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    file.touch(mode=0o600)
    file.write_text(json.dumps({user: password}))
    hint = f"Airflow's UI: log in as {user} with AIRFLOW_ADMIN_PASSWORD, at {os.environ['AIRFLOW__API__BASE_URL']}"
    print(hint, flush=True)  # noqa: T201 - the container's log shows it


if __name__ == "__main__":
    main()
