"""``make up``: the world with Airflow's UI, scheduler, dag-processor and triggerer, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from sandbox.world import LOGIN, PROJECT, WELL_KNOWN_PORTS, Sizes, World, wait_for

FOLDER = PROJECT / ".sandbox" / "up"
_HEALTHY_SECONDS = 240


class Airflow:
    """
    All of Airflow as one process group; as a context manager it runs and then stops every process of it.

    :param world: the world it works against.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.log = world.folder / "airflow.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Airflow:
        """Start Airflow and wait until its API answers."""
        self._world.migrate()
        programs = str(Path(sys.executable).parent)
        command = [f"{programs}/airflow", "standalone"]
        # It starts its parts as `airflow`, and nobody has to have activated the virtual environment.
        path = os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])
        # A session of its own: signalled alone, the parent would leave its children running.
        self._process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **self._world.airflow_environment(), "PATH": path},
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"{self._world.airflow_url}/api/v2/monitor/health"
            wait_for(url, _HEALTHY_SECONDS, self._process, self.log)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop Airflow."""
        self.stop()

    def wait(self) -> int:
        """Wait until Airflow ends by itself."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Stop every process of the group: ask, and after half a minute insist."""
        if self._process is None:
            return
        for signal_number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
            try:
                os.killpg(self._process.pid, signal_number)
            except ProcessLookupError:
                break
            if _group_ends(self._process, seconds):
                break
        self._process = None


def _group_ends(process: subprocess.Popen[bytes], seconds: float) -> bool:
    import time

    import psutil

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        process.poll()
        alive = False
        for other in psutil.process_iter():
            try:
                alive |= os.getpgid(other.pid) == process.pid and other.status() != psutil.STATUS_ZOMBIE
            except (psutil.Error, OSError):
                continue
        if not alive:
            return True
        time.sleep(0.3)
    return False


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
