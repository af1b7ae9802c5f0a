"""
The health check of a service: ``python docker/healthy.py URL [COMPONENT]``.

Lighter than ``airflow jobs check``, which loads Airflow each time.
"""

from __future__ import annotations

import json
import sys
import urllib.request

_SECONDS = 10


def is_healthy(url: str, component: str | None = None) -> bool:
    """
    Ask a server for its health.

    :param url: an address that answers 200 when the server is well.
    :param component: name in the answer of Airflow's ``/api/v2/monitor/health``; its status must be healthy too.
    """
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - from the Compose file
            return component is None or json.load(answer)[component]["status"] == "healthy"
    except OSError as error:
        print(f"{url}: {error}")  # noqa: T201 - docker inspect shows it
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(*sys.argv[1:]))
