"""
The staged files of a run: what tasks hand on to each other.

Rows never travel through XCom. Each run has one folder, named by DAG and run, under a root that may be local or on object
storage; a retry overwrites its own files. Files hold personal data: on a local disk the folder is 0700 and files are 0600.
A file appears under its name only when it is whole.

Object storage is anything that fsspec knows and Airflow's ``ObjectStoragePath`` leads to. Its files are streamed in blocks, so
that neither memory nor a worker's disk has to hold a file.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import zstandard

from odp.core.exceptions import StagingError

_ZSTD_LEVEL = 1
_READ_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_UPLOAD_BYTES = 5 << 20
"""Block of a file on its way to object storage, held in memory: the smallest that S3 takes, at most 10,000 times."""
_DOWNLOAD_BYTES = 2 << 20
"""Block of a file on its way from there."""


class Staging:
    """
    The folder of one run.

    :param root: a ``pathlib.Path`` for a local folder, or any path-like object with the same methods such as Airflow's
        ``ObjectStoragePath``.
    :param dag_id: the DAG's id.
    :param run_id: the run's id.
    """

    def __init__(self, root: Any, dag_id: str, run_id: str) -> None:
        self.folder = root / _safe(dag_id) / _safe(run_id)

    def clear(self) -> None:
        """
        Remove what an earlier try of the run left.

        :raises StagingError: if object storage refuses.
        """
        if isinstance(self.folder, Path):
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        try:
            self.folder.fs.rm(self.folder.path, recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(self.folder, "cleared", error) from error

    @contextmanager
    def write(self, name: str) -> Iterator[IO[bytes]]:
        """
        Write a file that appears under its name only when the block ends without an error.

        :param name: file name inside the run's folder.
        :raises StagingError: if object storage refuses the file.
        """
        with self._write_local(name) if isinstance(self.folder, Path) else self._upload(name) as file:
            yield file

    @contextmanager
    def _write_local(self, name: str) -> Iterator[IO[bytes]]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.folder / f".{name}.partial"
        try:
            with open(partial, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                yield file
            partial.replace(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)

    @contextmanager
    def _upload(self, name: str) -> Iterator[IO[bytes]]:
        # An upload shows when it is complete, and replaces what has its name then.
        path = self.folder / name
        upload = path.fs.open(path.path, "wb", block_size=_UPLOAD_BYTES)
        try:
            yield upload
            upload.close()
        except BaseException as error:
            upload.closed = True  # or the garbage collector would close it, which uploads what there is
            upload.discard()
            if isinstance(error, OSError):
                raise _refused(path, "written", error) from error
            raise

    @contextmanager
    def read(self, name: str) -> Iterator[IO[bytes]]:
        """
        Read a staged file.

        :param name: file name inside the run's folder.
        :raises StagingError: if it is not there, or object storage refuses it.
        """
        path = self.folder / name
        local = isinstance(path, Path)
        try:
            file = path.open("rb") if local else path.fs.open(path.path, "rb", block_size=_DOWNLOAD_BYTES)
        except FileNotFoundError as error:
            raise StagingError(
                f"Staged file {path} is gone. Clear the extract task of this run to stage it again; "
                "with more than one worker, all of them must share the staging folder."
            ) from error
        except OSError as error:
            raise _refused(path, "read", error) from error
        with file:
            yield file

    def write_json(self, name: str, content: Any) -> None:
        """Write a small JSON file."""
        with self.write(name) as file:
            file.write(json.dumps(content, ensure_ascii=False, indent=1).encode())

    def read_json(self, name: str) -> Any:
        """Read a JSON file that :meth:`write_json` wrote."""
        with self.read(name) as file:
            return json.loads(file.read())

    def path_of(self, name: str) -> str:
        """Return the full path of a staged file, for messages."""
        return str(self.folder / name)


def _refused(path: Any, done: str, error: OSError) -> StagingError:
    return StagingError(
        f"{path} cannot be {done}: {error}. Check the setting staging, and that workers may list, read, write and delete there."
    )


def _safe(name: str) -> str:
    """Return a folder's name for an id: what Airflow allows in ids stays, so that two runs never share a folder."""
    safe = re.sub(r"[^A-Za-z0-9_.:+=~-]", "_", name)
    return safe if safe.strip(".") else "_"


class FrameWriter:
    """
    Write blocks of bytes as separate zstd frames, so that a reader gets the same blocks back without searching for borders.

    :param file: an open binary file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)

    def write(self, block: bytes) -> None:
        """Write one block."""
        self._file.write(self._compressor.compress(block))


def write_rows(staging: Staging, name: str, rows: Iterable[bytes]) -> None:
    """
    Write rows of any number into a file, in blocks that :func:`read_frames` reads.

    :param staging: the run's folder.
    :param name: file name inside it.
    :param rows: the rows, each with its line feed.
    """
    with staging.write(name) as file:
        frames = FrameWriter(file)
        block, length = [], 0
        for row in rows:
            block.append(row)
            length += len(row)
            if length >= _BLOCK_BYTES:
                frames.write(b"".join(block))
                block, length = [], 0
        frames.write(b"".join(block))


def read_frames(file: IO[bytes]) -> Iterator[bytes]:
    """
    Read the blocks that a :class:`FrameWriter` wrote, one at a time.

    :param file: an open binary file.
    :raises StagingError: if the file ends inside a block or is damaged.
    """
    pending = b""
    while pending or (pending := file.read(_READ_BYTES)):
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        pieces = []
        while not decompressor.eof:
            if not pending and not (pending := file.read(_READ_BYTES)):
                raise _damaged(file)
            try:
                pieces.append(decompressor.decompress(pending))
            except zstandard.ZstdError as error:
                raise _damaged(file) from error
            pending = b""
        pending = decompressor.unused_data
        yield b"".join(pieces)


def _damaged(file: IO[bytes]) -> StagingError:
    name = getattr(file, "name", None) or getattr(file, "path", "")
    return StagingError(f"Staged file {name} ends in the middle or is damaged. Clear the task that wrote it.")


class LineWriter:
    """
    Write lines into one zstd stream; used as a context manager around an open file.

    The end of the stream is an empty line, as zstd itself does not tell a reader that the rest of a stream is missing.

    :param file: an open binary file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).stream_writer(file, closefd=False)

    def __enter__(self) -> LineWriter:
        """Return the writer."""
        return self

    def __exit__(self, error_type: type[BaseException] | None, *_: object) -> None:
        """End the stream; after an error without the last line, since object storage may keep what was written."""
        if error_type is None:
            self._stream.write(b"\n")
        self._stream.close()

    def write(self, line: bytes) -> None:
        """Write one line; the line must not be empty nor hold a line feed."""
        self._stream.write(line)
        self._stream.write(b"\n")


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """
    Read the lines that a :class:`LineWriter` wrote, without their line feeds.

    :param file: an open binary file.
    :raises StagingError: if the file ends before its last line or is damaged.
    """
    with io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, closefd=False), _READ_BYTES) as reader:
        try:
            for line in reader:
                if line == b"\n":
                    return
                if line.endswith(b"\n"):
                    yield line.rstrip(b"\n")
        except zstandard.ZstdError as error:
            raise _damaged(file) from error
        raise _damaged(file)
