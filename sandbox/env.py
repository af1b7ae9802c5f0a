"""``eval "$(make -s env)"``: a shell whose ``airflow`` commands work against the world of ``make up``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from sandbox.up import FOLDER
from sandbox.world import WELL_KNOWN_PORTS, World


def main() -> None:
    """Print the shell commands."""
    for name, value in World(FOLDER, WELL_KNOWN_PORTS).airflow_environment().items():
        print(f"export {name}={shlex.quote(value)}")
    print(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")


if __name__ == "__main__":
    main()
