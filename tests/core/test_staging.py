"""The staged files of a run."""

from __future__ import annotations

import io
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from odp.core import staging as staging_module
from odp.core.exceptions import StagingError
from odp.core.staging import FrameWriter, LineWriter, Staging, read_frames, read_lines

READ_BYTES = staging_module._READ_BYTES


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "root", "product_odp_export", "manual__2026-11-01T00:00:00+00:00")


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that would give everybody everything."""
    before = os.umask(0)
    yield
    os.umask(before)


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not get smaller by compression."""
    return random.Random(seed).randbytes(size)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def interrupted_write(staging: Staging, content: bytes, error: BaseException) -> None:
    with staging.write("a") as file:
        file.write(content)
        raise error


class TestWrite:
    def test_a_file_holds_what_was_written(self, staging: Staging) -> None:
        with staging.write("a") as file:
            file.write(b"content")
        with staging.read("a") as file:
            assert file.read() == b"content"

    def test_it_does_not_show_under_its_name_before_it_is_whole(self, staging: Staging) -> None:
        with staging.write("a") as file:
            file.write(b"half")
            file.flush()
            assert not (staging.folder / "a").exists()
        assert (staging.folder / "a").exists()

    def test_an_error_leaves_nothing(self, staging: Staging) -> None:
        with pytest.raises(ZeroDivisionError):
            interrupted_write(staging, b"half", ZeroDivisionError())
        assert list(staging.folder.iterdir()) == []

    def test_an_error_leaves_the_file_of_an_earlier_try_as_it_was(self, staging: Staging) -> None:
        with staging.write("a") as file:
            file.write(b"first")
        with pytest.raises(KeyboardInterrupt):
            interrupted_write(staging, b"second", KeyboardInterrupt())
        assert [path.name for path in staging.folder.iterdir()] == ["a"]
        assert (staging.folder / "a").read_bytes() == b"first"

    def test_a_retry_overwrites(self, staging: Staging) -> None:
        for content in (b"a longer first try", b"second"):
            with staging.write("a") as file:
                file.write(content)
        assert (staging.folder / "a").read_bytes() == b"second"

    def test_what_a_killed_task_left_half_is_overwritten(self, staging: Staging) -> None:
        staging.folder.mkdir(parents=True)
        (staging.folder / ".a.partial").write_bytes(b"x" * 100)
        with staging.write("a") as file:
            file.write(b"whole")
        assert {path.name: path.read_bytes() for path in staging.folder.iterdir()} == {"a": b"whole"}

    @pytest.mark.usefixtures("open_umask")
    def test_only_the_owner_may_read_folder_and_files(self, staging: Staging) -> None:
        with staging.write("a") as file:
            assert mode(staging.folder / ".a.partial") == 0o600
            file.write(b"personal data")
        staging.write_json("b.json", {})
        assert mode(staging.folder) == 0o700
        assert (mode(staging.folder / "a"), mode(staging.folder / "b.json")) == (0o600, 0o600)

    def test_json_survives(self, staging: Staging) -> None:
        content = {"rows": 5, "names": ["é🙂", None], "nested": {"a": [1.5, True]}}
        staging.write_json("a.json", content)
        assert staging.read_json("a.json") == content

    def test_json_that_cannot_be_written_leaves_no_file(self, staging: Staging) -> None:
        with pytest.raises(TypeError):
            staging.write_json("a.json", {"a": object()})
        assert not (staging.folder / "a.json").exists()


class TestRead:
    def test_a_missing_file_is_named_with_what_to_do(self, staging: Staging) -> None:
        with pytest.raises(StagingError) as error, staging.read("part-00000.csv.zst"):
            pass
        path = staging.path_of("part-00000.csv.zst")
        assert str(error.value) == (
            f"Staged file {path} is gone. Clear the extract task of this run to stage it again; "
            "with more than one worker, all of them must share the staging folder."
        )

    def test_a_missing_json_file_is_named_too(self, staging: Staging) -> None:
        with pytest.raises(StagingError, match=r"extract\.json is gone"):
            staging.read_json("extract.json")

    def test_an_error_of_the_reader_is_not_taken_for_a_missing_file(self, staging: Staging) -> None:
        staging.write_json("a", 1)
        with pytest.raises(FileNotFoundError), staging.read("a"):
            raise FileNotFoundError


class TestClear:
    def test_it_removes_all_of_the_run_and_nothing_else(self, tmp_path: Path) -> None:
        one, other = Staging(tmp_path, "dag", "run-1"), Staging(tmp_path, "dag", "run-2")
        for staging in (one, other):
            staging.write_json("a", 1)
        one.clear()
        assert not one.folder.exists()
        assert other.read_json("a") == 1

    def test_clearing_what_is_not_there_is_fine(self, staging: Staging) -> None:
        staging.clear()
        staging.write_json("a", 1)
        assert staging.read_json("a") == 1


class TestNames:
    @pytest.mark.parametrize(
        "run_id",
        ["../../etc", "..", ".", "", "/etc/passwd", "a/../../b", "~root", "a\\b", "a\x00b", "é🙂", "a b", "....", "-rf", "$(x)"],
    )
    def test_no_id_leads_out_of_the_root(self, tmp_path: Path, run_id: str) -> None:
        root = tmp_path / "root"
        for staging in (Staging(root, "dag", run_id), Staging(root, run_id, "run")):
            assert staging.folder.resolve().parent.parent == root.resolve()
            staging.write_json("a", 1)
            assert (staging.folder / "a").exists()
        assert [path.name for path in tmp_path.iterdir()] == ["root"]

    @pytest.mark.parametrize(
        "run_id",
        [
            "scheduled__2026-11-01T00:00:00+00:00",
            "manual__2026-11-01T08:00:00.123456+00:00",
            "my.run~2:a+b-c_d=e",
            ".run",
            "run.",
        ],
    )
    def test_what_airflow_allows_in_an_id_stays_so_that_runs_do_not_share_a_folder(self, tmp_path: Path, run_id: str) -> None:
        assert Staging(tmp_path, "dag", run_id).folder == tmp_path / "dag" / run_id


SIZES = [0, 1, 100, 65_536, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES + 7]


class TestFrames:
    def written(self, *blocks: bytes) -> io.BytesIO:
        file = io.BytesIO()
        frames = FrameWriter(file)
        for block in blocks:
            frames.write(block)
        file.seek(0)
        return file

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("compressible", [True, False])
    def test_one_block_survives_whatever_its_size(self, size: int, compressible: bool) -> None:
        block = b"x" * size if compressible else noise(size)
        assert list(read_frames(self.written(block))) == [block]

    def test_blocks_keep_their_borders(self) -> None:
        blocks = [noise(size, seed) for seed, size in enumerate([10, 0, 500_000, 700_000, 1, 2_500_000, 0, 3])]
        assert list(read_frames(self.written(*blocks))) == blocks

    def test_many_small_blocks_in_one_read(self) -> None:
        blocks = [b"%d" % number for number in range(5_000)]
        assert list(read_frames(self.written(*blocks))) == blocks

    def test_a_reader_that_gets_little_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks = [noise(100, 1), b"", noise(50, 2)]
        file = self.written(*blocks)
        monkeypatch.setattr(staging_module, "_READ_BYTES", 1)
        assert list(read_frames(file)) == blocks

    def test_a_file_without_blocks(self) -> None:
        assert list(read_frames(io.BytesIO())) == []

    @pytest.mark.parametrize("kept", [1, 3, 10, 0.5, 0.99])
    @pytest.mark.parametrize("size", [200, 2 * READ_BYTES])
    def test_a_file_that_ends_in_a_block_is_an_error(self, size: int, kept: float) -> None:
        content = self.written(noise(size)).getvalue()
        end = int(len(content) * kept) if isinstance(kept, float) else kept
        with pytest.raises(StagingError, match="ends in the middle or is damaged. Clear the task that wrote it"):
            list(read_frames(io.BytesIO(content[:end])))

    def test_whole_blocks_before_the_break_are_read(self) -> None:
        content = self.written(b"first", noise(1_000)).getvalue()
        reader = read_frames(io.BytesIO(content[:-5]))
        assert next(reader) == b"first"
        with pytest.raises(StagingError):
            next(reader)

    @pytest.mark.parametrize("content", [b"plain text that is no zstd", b"\x00" * 50])
    def test_a_damaged_file_is_an_error(self, content: bytes) -> None:
        with pytest.raises(StagingError):
            list(read_frames(io.BytesIO(content)))

    def test_the_file_is_named(self, staging: Staging) -> None:
        with staging.write("part") as file:
            file.write(self.written(noise(500)).getvalue()[:-1])
        with pytest.raises(StagingError, match=str(staging.folder).replace("+", r"\+")), staging.read("part") as file:
            list(read_frames(file))

    def test_blocks_are_smaller_on_disk(self) -> None:
        assert len(self.written(b"9f0c3a52,Bolt,1.50,t\n" * 10_000).getvalue()) < 10_000


class TestLines:
    def written(self, *lines: bytes) -> io.BytesIO:
        file = io.BytesIO()
        with LineWriter(file) as writer:
            for line in lines:
                writer.write(line)
        file.seek(0)
        return file

    @pytest.mark.parametrize("size", SIZES[1:])
    def test_lines_survive_whatever_their_size(self, size: int) -> None:
        lines = [b"first", noise(size).replace(b"\n", b"!"), b"last"]
        assert list(read_lines(self.written(*lines))) == lines

    def test_only_line_feeds_separate_lines(self) -> None:
        lines = [b"a\rb", "a\u2028b\x85".encode(), b" ", b"\r"]
        assert list(read_lines(self.written(*lines))) == lines

    def test_a_file_without_lines(self) -> None:
        assert list(read_lines(self.written())) == []

    def test_the_file_stays_open_for_its_owner(self) -> None:
        file = self.written(b"a")
        list(read_lines(file))
        assert not file.closed

    @pytest.mark.parametrize("size", [200, 2 * READ_BYTES])
    @pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
    def test_a_file_that_ends_in_the_middle_is_an_error_after_the_whole_lines(self, size: int, kept: float) -> None:
        lines = [noise(100, seed).hex().encode() for seed in range(size // 100)]
        content = self.written(*lines).getvalue()
        reader = read_lines(io.BytesIO(content[: int(len(content) * kept)]))
        read = []
        with pytest.raises(StagingError, match="ends in the middle or is damaged"):
            read.extend(iter(lambda: next(reader), None))
        assert read == lines[: len(read)]

    def test_after_an_error_the_stream_does_not_pass_for_whole(self) -> None:
        file = io.BytesIO()
        writer = LineWriter(file)
        writer.write(b"first")
        writer.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
        file.seek(0)
        with pytest.raises(StagingError):
            list(read_lines(file))

    def test_a_stream_cut_at_a_border_that_zstd_cannot_see_is_an_error(self) -> None:
        file = io.BytesIO(zstandard.ZstdCompressor().compress(b"first\nsecond\n"))
        with pytest.raises(StagingError):
            list(read_lines(file))

    @pytest.mark.parametrize("content", [b"plain text that is no zstd", b"\x00" * 50])
    def test_a_damaged_file_is_an_error(self, content: bytes) -> None:
        with pytest.raises(StagingError):
            list(read_lines(io.BytesIO(content)))
