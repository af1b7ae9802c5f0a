"""
CSV files out of the items of an upload, such that no row has a blank, unless ODP is to erase what it has there.

Records are merged in ODP, so their fields may come in several files: one has the columns that are given in all rows of a part,
and of the others those share a file that are given in the very same rows. An event is one row of one file: events with the same
set of columns share a file, and those of rare sets are left to the REST API. So are the few rows that CSV cannot carry.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, Any

import polars as pl  # noqa: TID253 - imported inside execute(), never at parse time

from odp.core.csv_forms import LINE_FIELDS, LINES, CsvForm, form_of, line_columns
from odp.core.exports import Export
from odp.core.import_bucket import RECORD_END
from odp.core.records import Record
from odp.core.staging import FrameWriter, Staging, read_frames

_ITEM, _STATES, _SET = "__item", "__states", "__set"
# A line break is escaped in JSON; what only looks like one, a backslash before an n, goes to the REST API for nothing.
_NOT_IN_CSV = r"\\[nr]|\\u001e"


@dataclass
class _Spool:
    """The rows of one upload path, as columns, on the local disk."""

    form: CsvForm
    file: IO[bytes]
    alike: list[list[str]]
    """Columns that have been given in the same rows so far."""

    rows: int = 0
    sets: Counter[str] = field(default_factory=Counter)

    def chunks(self) -> Iterator[pl.DataFrame]:
        self.file.seek(0)
        yield from (pl.read_ipc(io.BytesIO(frame)) for frame in read_frames(self.file))


@dataclass
class _CsvFile:
    """One file: its columns, and where its records and their states are gathered before they are staged."""

    columns: Sequence[str]
    records_file: IO[bytes]
    states_file: IO[bytes]
    records: int = 0

    def write(self, records: Sequence[bytes], states: pl.Series) -> None:
        FrameWriter(self.records_file).write(b"".join(record + RECORD_END for record in records))
        FrameWriter(self.states_file).write(b"".join(states))
        self.records += len(records)


class CsvFiles:
    """
    Gathers the uploads of a part and stages them as CSV files.

    :param export: what is sent.
    :param contract: contract of the run, with the columns added in SQL.
    :param staging: the run's folder.
    :param part: number of the part.
    :param max_sets: most files of events: sets of columns beyond the most frequent ones are left over.
    """

    def __init__(self, export: Export, contract: type[Record], staging: Staging, part: int, max_sets: int) -> None:
        self._export = export
        self._contract = contract
        self._staging = staging
        self._part = part
        self._max_sets = max_sets
        self._stack = ExitStack()
        self._spools: dict[str, _Spool] = {}
        self.listed: list[dict[str, Any]] = []

    def __enter__(self) -> CsvFiles:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was gathered on the local disk."""
        self._stack.close()

    def take(self, uploads: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """
        Take what can be sent as CSV.

        :param uploads: uploads by path (``odp.core.changes.Changes.uploads``).
        :return: what is left for the REST API.
        """
        left = {}
        for path, frame in uploads.items():
            spool = self._spools.get(path) or self._open(path)
            if spool is None or frame.is_empty():
                left[path] = frame
                continue
            # A cancel and the purchase it brings have to arrive in this order, which files do not promise.
            fits = (frame["items"] == 1) & ~frame["alone"] & ~frame["item"].cast(pl.String).str.contains(_NOT_IN_CSV)
            self._add(spool, frame.filter(fits))
            left[path] = frame.filter(~fits)
        return left

    def _open(self, path: str) -> _Spool | None:
        form = form_of(self._export, self._contract, path)
        if form is None:
            return None
        spool = self._spools[path] = _Spool(
            form, self._local_file(), [[name for name in form.columns if name not in form.cleared]]
        )
        return spool

    def _local_file(self) -> IO[bytes]:
        return self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed by the stack

    def _add(self, spool: _Spool, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        columns = spool.form.read(frame["item"])
        if spool.form.key:
            spool.alike = [part for group in spool.alike for part in _given_alike(columns, group)]
        else:
            columns = columns.with_columns(_set_of(columns, spool.form.cleared))
            spool.sets.update(dict(columns[_SET].value_counts().iter_rows()))
        gathered = columns.with_columns(frame["item"].alias(_ITEM), frame["states"].alias(_STATES))
        buffer = io.BytesIO()
        gathered.write_ipc(buffer)
        FrameWriter(spool.file).write(buffer.getvalue())
        spool.rows += frame.height

    def close(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """
        Stage the files, and list them in ``listed``.

        :return: path and uploads of what is left for the REST API.
        """
        for path, spool in self._spools.items():
            if spool.form.key:
                self._stage(path, spool.form, self._write_records(spool))
            else:
                chosen = [name for name, _ in spool.sets.most_common(self._max_sets) if "x" not in name]
                files = {name: self._new_file(_columns_of(spool.form, name)) for name in chosen}
                yield from ((path, left) for left in self._write_events(spool, files))
                self._stage(path, spool.form, list(files.values()))

    def _new_file(self, columns: Sequence[str]) -> _CsvFile:
        return _CsvFile(columns, self._local_file(), self._local_file())

    def _write_records(self, spool: _Spool) -> list[_CsvFile]:
        """Write the columns that every row has into the first file, and each group of others into one of its own."""
        key = list(spool.form.key)
        nulls: Counter[str] = Counter()
        for chunk in spool.chunks():
            nulls.update({name: chunk[name].null_count() for group in spool.alike for name in group[:1]})
        everywhere = {name for group in spool.alike for name in group if nulls[group[0]] == 0} | spool.form.cleared
        others = [group for group in spool.alike if 0 < nulls[group[0]] < spool.rows]
        groups = [[name for name in spool.form.columns if name in everywhere], *([*key, *group] for group in others)]
        files = [self._new_file(columns) for columns in groups] if spool.rows else []
        for chunk in spool.chunks():
            for file, telling in zip(files, [key, *others], strict=True):
                given = chunk.filter(pl.col(telling[0]).is_not_null())
                if not given.is_empty():
                    file.write(_lines(given.select(file.columns)), given[_STATES])
        return files

    def _write_events(self, spool: _Spool, files: Mapping[str, _CsvFile]) -> Iterator[pl.DataFrame]:
        for chunk in spool.chunks():
            for (name,), rows in chunk.partition_by(_SET, as_dict=True, maintain_order=True).items():
                if file := files.get(name):
                    file.write(_event_lines(rows, file.columns), rows[_STATES])
                else:
                    yield rows.select(
                        pl.col(_ITEM).alias("item"),
                        pl.col(_STATES).alias("states"),
                        pl.lit(1, dtype=pl.Int32).alias("items"),
                        pl.lit(value=False).alias("alone"),
                    )

    def _stage(self, path: str, form: CsvForm, files: Sequence[_CsvFile]) -> None:
        for number, file in enumerate(files):
            stem = f"{self._part:05d}-{form.object_name}-{number:03d}"
            names = {"bodies": f"records-{stem}.csv.zst", "states": f"states-{stem}.csv.zst"}
            for name, gathered in ((names["bodies"], file.records_file), (names["states"], file.states_file)):
                gathered.seek(0)
                with self._staging.write(name) as staged:
                    shutil.copyfileobj(gathered, staged)
                gathered.close()
            self.listed.append(
                {
                    "path": path,
                    # The first file of records has all of them, and each counts once.
                    "rows": file.records if number == 0 or not form.key else 0,
                    "items": file.records,
                    "requests": 1,
                    "object": form.object_name,
                    "number": number,
                    "columns": _header(file.columns),
                    **names,
                }
            )


def _given_alike(frame: pl.DataFrame, group: Sequence[str]) -> list[list[str]]:
    """Split columns into those that are given in the same rows of a frame."""
    parts: list[tuple[pl.Series, list[str]]] = []
    for name in group:
        given = frame[name].is_not_null()
        for other, names in parts:
            if given.equals(other, check_names=False):
                names.append(name)
                break
        else:
            parts.append((given, [name]))
    return [names for _, names in parts]


def _set_of(frame: pl.DataFrame, cleared: Collection[str]) -> pl.Expr:
    """Return which columns a row has, as a word: 1 given, 0 absent; of lines also x, given in some of them only."""
    marks = [
        pl.lit("1") if name in cleared else pl.col(name).is_not_null().cast(pl.Int8).cast(pl.String)
        for name in frame.columns
        if name != LINES
    ]
    if LINES in frame.columns:
        for name in LINE_FIELDS:
            given = pl.col(LINES).list.eval(pl.element().struct.field(name).is_not_null())
            some, every = given.list.any().fill_null(value=False), given.list.all().fill_null(value=True)
            marks.append(pl.when(some & every).then(pl.lit("1")).when(some).then(pl.lit("x")).otherwise(pl.lit("0")))
    return pl.concat_str(marks).alias(_SET)


def _columns_of(form: CsvForm, name: str) -> list[str]:
    """Return the columns of a set; those of lines have their item's prefix only in the file."""
    plain = [column for column in form.columns if column != LINES]
    columns = plain + ([f"{LINES}.{field}" for field in LINE_FIELDS] if LINES in form.columns else [])
    return [column for column, mark in zip(columns, name, strict=True) if mark == "1"]


def _header(columns: Sequence[str]) -> list[str]:
    return [column.replace(f"{LINES}.", "item_") for column in columns]


def _lines(frame: pl.DataFrame) -> list[bytes]:
    # Without line breaks in values, a line is a record.
    return frame.write_csv(include_header=False, float_scientific=False).encode().splitlines(keepends=True)


def _event_lines(rows: pl.DataFrame, columns: Sequence[str]) -> list[bytes]:
    """Return the lines of each event: of an order one for each of its items."""
    line_fields = [column.partition(".")[2] for column in columns if column.startswith(f"{LINES}.")]
    plain = [column for column in columns if "." not in column]
    if not line_fields:
        return _lines(rows.select(plain))
    opened = rows.select(*plain, LINES).explode(LINES)
    lines = iter(_lines(opened.select(*plain, *line_columns(pl.col(LINES), line_fields))))
    return [b"".join(next(lines) for _ in range(count)) for count in rows[LINES].list.len()]
