"""Commands are measured with all their processes, and none is left."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.measure import CommandError, measure, peak_rss_mb

# A parent that does nothing while its child takes memory and processor time.
FAMILY = """
import subprocess, sys
child = "import time; held = bytearray(120_000_000); began = time.process_time()\\nwhile time.process_time() - began < 0.6: pass"
subprocess.run([sys.executable, "-c", child], check=True)
print("done")
"""
ENDLESS = """
import os, sys, time
if child := os.fork():
    print("child", child, file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_children_count(tmp_path: Path) -> None:
    measured = measure([sys.executable, "-c", FAMILY], {}, log=tmp_path / "log")
    assert measured.output == "done\n"
    assert measured.cpu_seconds > 0.6
    assert measured.wall_seconds > 0.6
    assert 120 < measured.peak_mb < 400


def test_a_failure_shows_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such customer"):
        measure([sys.executable, "-c", "raise SystemExit('no such customer')"], {}, log=tmp_path / "log")


def test_a_command_that_does_not_end_is_ended_with_its_children(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(CommandError, match="did not end in 3 s"):
        measure([sys.executable, "-c", ENDLESS], {}, log=log, timeout=3)
    child = int(log.read_text().split()[-1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_the_peak_of_this_process_stays() -> None:
    held = bytearray(64_000_000)
    with_it = peak_rss_mb()
    del held
    # The kernel counts in steps: the mark may move by a few pages, not by what was given back.
    assert peak_rss_mb() > with_it - 8 > 64
