"""``make up``: the world with Airflow's UI, scheduler, dag-processor and triggerer, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sandbox.programs import Program
from sandbox.world import LOGIN, PROJECT, WELL_KNOWN_PORTS, Sizes, World, wait_for

FOLDER = PROJECT / ".sandbox" / "up"
_HEALTHY_SECONDS = 240


class Airflow:
    """
    All of Airflow; as a context manager it runs and then stops every process of it.

    :param world: the world it works against.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        programs = str(Path(sys.executable).parent)
        # It starts its parts as `airflow`, and nobody has to have activated the virtual environment.
        path = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
        self._program = Program(
            [f"{programs}/airflow", "standalone"], {**world.airflow_environment(), "PATH": path}, world.folder / "airflow.log"
        )

    @property
    def log(self) -> Path:
        """File with the output of all parts."""
        return self._program.log

    def __enter__(self) -> Airflow:
        """Start Airflow and wait until its API answers."""
        self._world.migrate()
        self._program.start()
        try:
            url = f"{self._world.airflow_url}/api/v2/monitor/health"
            wait_for(url, _HEALTHY_SECONDS, self._program.process, self.log)
        except BaseException:
            self._program.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop Airflow."""
        self._program.stop()

    def wait(self) -> int:
        """Wait until Airflow ends by itself."""
        return self._program.wait()


def main() -> int:
    """Run the world until Ctrl-C or SIGTERM."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell that puts this in the background ignores SIGINT for it
        signal.signal(ending, signal.default_int_handler)
    try:
        with World(FOLDER, WELL_KNOWN_PORTS) as world:
            if not world.has_replica():
                print("Filling a Commerce replica ...", flush=True)
                world.fill_replica(Sizes(customers=5_000, orders=20_000))
            print("Starting Airflow; this takes about a minute ...", flush=True)
            with Airflow(world) as airflow:
                print(
                    f"Airflow      {world.airflow_url}   login {LOGIN[0]} / {LOGIN[1]}\n"
                    f"Sandbox ODP  {world.odp_url}\n"
                    f"Replica      {world.dsn('commerce')} (schema dbo)\n"
                    f"Airflow log  {airflow.log}\n"
                    'A shell with the airflow command for this world: eval "$(make -s env)"\n'
                    "Ctrl-C stops everything.",
                    flush=True,
                )
                airflow.wait()
    except KeyboardInterrupt:
        print("Stopped.")
        return 0
    print("Airflow ended by itself; see its log.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
