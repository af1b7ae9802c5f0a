"""``python -m benchmarks.one_stage STAGE EXPORT_ID RUN_ID FILE``: a stage's tasks in one process, for a profiler to watch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.tasks import import_everything, run_task

FIELDS = {"transform": "part", "load": "transformed"}


def main() -> None:
    """Run the tasks, and write what they returned beside the file they were given in."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.one_stage")
    parser.add_argument("stage", choices=FIELDS)
    parser.add_argument("export_id")
    parser.add_argument("run_id")
    parser.add_argument("file", type=Path, help="JSON list of what each task is given")
    given = parser.parse_args()
    import_everything()
    values = json.loads(given.file.read_text())
    tasks = [run_task(given.stage, given.export_id, given.run_id, **{FIELDS[given.stage]: value}) for value in values]
    given.file.with_suffix(f".{given.stage}.json").write_text(json.dumps([task.result for task in tasks]))


if __name__ == "__main__":
    main()
