"""Staging on object storage: the same promises as on a local disk, kept on a real S3 protocol by Airflow's own path."""

from __future__ import annotations

import gc
import os
import random
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from airflow.sdk import ObjectStoragePath

from odp.core.exceptions import StagingError
from odp.core.maintenance import remove_staged_runs
from odp.core.staging import _UPLOAD_BYTES, FrameWriter, LineWriter, Staging, read_frames, read_lines
from sandbox.s3 import S3Server
from sandbox.world import PROJECT

# A file that is closed only by the garbage collector would complain there.
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")

RUN_ID = "manual__2026-11-01T08:00:00.123456+00:00"
BIG = 2 * _UPLOAD_BYTES + 12_345


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.fixture
def root(s3: S3Server, tmp_path: Path) -> ObjectStoragePath:
    """A staging root of this test's own, reached by the connection ``aws_default``."""
    return ObjectStoragePath(f"s3://aws_default@{s3.bucket}/{tmp_path.name}")


@pytest.fixture
def staging(root: ObjectStoragePath) -> Staging:
    return Staging(root, "order_odp_export", RUN_ID)


def names(s3: S3Server, root: ObjectStoragePath) -> list[str]:
    """Return the keys of what shows under a root, and the sizes of unfinished uploads."""
    return [key.removeprefix(f"{root.key}/") for key in s3.keys(f"{root.key}/")]


def unfinished(s3: S3Server) -> list[int]:
    """Return how many bytes each unfinished upload has sent."""
    uploads = s3.client.list_multipart_uploads(Bucket=s3.bucket).get("Uploads", [])
    parts = [s3.client.list_parts(Bucket=s3.bucket, Key=upload["Key"], UploadId=upload["UploadId"]) for upload in uploads]
    return [sum(part["Size"] for part in listed.get("Parts", [])) for listed in parts]


@pytest.mark.parametrize("size", [0, 1, 1_000, _UPLOAD_BYTES - 1, _UPLOAD_BYTES, BIG])
def test_a_file_holds_what_was_written(staging: Staging, size: int) -> None:
    with staging.write("a") as file:
        file.write(noise(size))
    with staging.read("a") as file:
        assert file.read() == noise(size)


def test_the_key_names_dag_run_and_file(s3: S3Server, root: ObjectStoragePath, staging: Staging) -> None:
    staging.write_json("extract.json", {"rows": 5, "names": ["é🙂", None]})
    assert names(s3, root) == [f"order_odp_export/{RUN_ID}/extract.json"]
    assert staging.read_json("extract.json") == {"rows": 5, "names": ["é🙂", None]}
    assert staging.path_of("extract.json") == f"s3://aws_default@{s3.bucket}/{root.key}/order_odp_export/{RUN_ID}/extract.json"


def test_a_file_is_sent_in_blocks_and_does_not_show_before_it_is_whole(
    s3: S3Server, root: ObjectStoragePath, staging: Staging
) -> None:
    with staging.write("a") as file:
        for _ in range(BIG // 1_000_000):
            file.write(noise(1_000_000))
            file.flush()
        (sent,) = unfinished(s3)
        assert BIG - 2 * _UPLOAD_BYTES < sent <= BIG  # less than a block and what was written last is in memory
        assert names(s3, root) == []
    assert len(names(s3, root)) == 1
    assert unfinished(s3) == []


def test_blocks_and_lines_survive(staging: Staging) -> None:
    blocks = [noise(1_500_000 + number) for number in range(12)]
    with staging.write("blocks") as file:
        frames = FrameWriter(file)
        for block in blocks:
            frames.write(block)
    with staging.read("blocks") as file:
        assert list(read_frames(file)) == blocks
    lines = [block.replace(b"\n", b" ") for block in blocks]
    with staging.write("lines") as file, LineWriter(file) as writer:
        for line in lines:
            writer.write(line)
    with staging.read("lines") as file:
        assert list(read_lines(file)) == lines


def interrupted_write(staging: Staging, size: int, error: BaseException) -> None:
    with staging.write("a") as file:
        file.write(noise(size))
        raise error


@pytest.mark.parametrize("size", [10, BIG])
def test_an_error_leaves_nothing(s3: S3Server, root: ObjectStoragePath, staging: Staging, size: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupted_write(staging, size, KeyboardInterrupt())
    gc.collect()
    assert (names(s3, root), unfinished(s3)) == ([], [])


@pytest.mark.parametrize("size", [10, BIG])
def test_an_error_leaves_the_file_of_an_earlier_try_as_it_was(staging: Staging, size: int) -> None:
    with staging.write("a") as file:
        file.write(b"first")
    with pytest.raises(ZeroDivisionError):
        interrupted_write(staging, size, ZeroDivisionError())
    gc.collect()
    with staging.read("a") as file:
        assert file.read() == b"first"


def test_a_retry_overwrites(s3: S3Server, root: ObjectStoragePath, staging: Staging) -> None:
    for content in (noise(BIG), b"second"):
        with staging.write("a") as file:
            file.write(content)
    with staging.read("a") as file:
        assert file.read() == b"second"
    assert len(names(s3, root)) == 1


_HALF = """
import sys, time
from airflow.sdk import ObjectStoragePath
from odp.core.staging import Staging
with Staging(ObjectStoragePath(sys.argv[1]), "order_odp_export", sys.argv[2]).write("a") as file:
    file.write(bytes(int(sys.argv[3])))
    print("half", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_task_left_half_never_shows(s3: S3Server, root: ObjectStoragePath, staging: Staging) -> None:
    command = [sys.executable, "-c", _HALF, str(root), RUN_ID, str(BIG)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "plugins")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            assert b"half\n" in iter(process.stdout.readline, b"")
        finally:
            process.kill()
    (sent,) = unfinished(s3)
    assert sent >= _UPLOAD_BYTES
    assert names(s3, root) == []
    with pytest.raises(StagingError, match="is gone"), staging.read("a"):
        pass
    with staging.write("a") as file:
        file.write(b"whole")
    with staging.read("a") as file:
        assert file.read() == b"whole"
    root.fs.clear_multipart_uploads(s3.bucket)


def test_a_missing_file_is_named_with_what_to_do(staging: Staging) -> None:
    with pytest.raises(StagingError, match=r"s3://aws_default@.*extract\.json is gone\. Clear the extract task"):
        staging.read_json("extract.json")


@pytest.mark.parametrize("size", [10, BIG])
def test_a_bucket_that_is_not_there_is_named_with_the_setting(size: int) -> None:
    staging = Staging(ObjectStoragePath("s3://aws_default@nobodys-bucket/odp"), "order_odp_export", RUN_ID)
    staging.clear()
    with pytest.raises(StagingError) as error, staging.write("a") as file:
        file.write(noise(size))
    assert "nobodys-bucket/odp/order_odp_export" in str(error.value)
    assert "The specified bucket does not exist. Check the setting staging" in str(error.value)


def test_a_damaged_file_is_named(staging: Staging) -> None:
    with staging.write("part-00000.csv.zst") as file:
        file.write(b"no zstd")
    with (
        pytest.raises(StagingError, match=r"part-00000\.csv\.zst ends in the middle"),
        staging.read("part-00000.csv.zst") as file,
    ):
        list(read_frames(file))


def test_clear_removes_all_of_the_run_and_nothing_else(s3: S3Server, root: ObjectStoragePath, staging: Staging) -> None:
    other = Staging(root, "order_odp_export", f"{RUN_ID}-2")
    for number in range(3):
        staging.write_json(f"{number}.json", number)
        other.write_json(f"{number}.json", number)
    staging.clear()
    staging.clear()
    assert names(s3, root) == [f"order_odp_export/{RUN_ID}-2/{number}.json" for number in range(3)]
    staging.write_json("0.json", "again")
    assert staging.read_json("0.json") == "again"


def test_maintenance_removes_old_runs(s3: S3Server, root: ObjectStoragePath) -> None:
    from moto.s3.models import s3_backends

    for run in ("old", "half_old", "new"):
        for name in ("extract.json", "summary.json"):
            Staging(root, "order_odp_export", run).write_json(name, {})
    long_ago = datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(days=8)
    for backend in s3_backends.values():
        for key, held in backend["aws"].buckets[s3.bucket].keys.items():
            if "/old/" in key or key.endswith("/half_old/extract.json"):
                held.last_modified = long_ago
    assert remove_staged_runs(root, 7) == [f"{root}/order_odp_export/old"]
    assert {key.split("/")[1] for key in names(s3, root)} == {"half_old", "new"}
    assert remove_staged_runs(root / "nothing", 7) == []
