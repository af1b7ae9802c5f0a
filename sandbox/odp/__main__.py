"""Start the server from the command line: `python -m sandbox.odp --port 8899 --key public.secret`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.odp.app import create_app
from sandbox.odp.server import listen, uvicorn_server
from sandbox.odp.settings import Settings

#: Takes the key where other users of the machine must not see it in the list of processes.
KEY_VARIABLE = "ODP_SANDBOX_KEY"


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Serve until SIGTERM or SIGINT, and return the exit status.

    :param arguments: command line; None takes the process's own.
    """
    parser = argparse.ArgumentParser(prog="python -m sandbox.odp", description="A local Optimizely Data Platform.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, required=True, help="port to listen on; 0 takes a free one")
    parser.add_argument(
        "--key", default=os.environ.get(KEY_VARIABLE), help=f"private key, PUBLIC.SECRET (default: ${KEY_VARIABLE})"
    )
    parser.add_argument("--state", type=Path, help="SQLite file that keeps the state (default: in memory)")
    parser.add_argument(
        "--profiles-per-second", type=float, default=10, help="rate limit of profiles; 0 = off (default: %(default)s)"
    )
    parser.add_argument("--open-controls", action="store_true", help="let other machines use the page and the controls")
    options = parser.parse_args(arguments)
    if not options.key:
        parser.error(f"--key or ${KEY_VARIABLE} is required")
    if options.profiles_per_second < 0:
        parser.error("--profiles-per-second must not be negative")
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        parser.error(f"cannot listen on {options.host}:{options.port}: {error.strerror}")
    app = create_app(
        options.key,
        state=options.state,
        settings=Settings(profiles_per_second=options.profiles_per_second),
        open_controls=options.open_controls,
    )
    server = uvicorn_server(app)

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn handles the signals while it runs, and raises them again once it has stopped: with Python's own handlers
    # that second one would turn a clean stop into a failure, and one that comes before uvicorn is ready would be lost.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"ODP sandbox: http://{options.host}:{listener.getsockname()[1]}", flush=True)
    try:
        server.run(sockets=[listener])
    finally:
        app.account.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
