"""What arro3 (the Rust implementation of Arrow) needs around it, of whatever is in the Parquet file.

Its panics are no `Exception`, a file that is not whole makes it panic with a page on standard error, and so does a
full disk while it writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO, BinaryIO, Protocol, TypeVar, cast

from arro3.core import RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from olfactory_transformer.core.errors import FileFormatError

Found = TypeVar("Found")
_MAGIC = b"PAR1"


class Seekable(Protocol):
    """What is written to."""

    def write(self, data: bytes, /) -> object: ...  # noqa: D102
    def seek(self, offset: int, whence: int = 0, /) -> int: ...  # noqa: D102


def check_frame(file: BinaryIO) -> int:
    """Refuse what is not Parquet; return the file's size in bytes.

    Raises
    ------
    FileFormatError
        The file does not begin and end as Parquet does.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(4)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    file.seek(0)
    if size < 12 or head != _MAGIC or tail[4:] != _MAGIC or int.from_bytes(tail[:4], "little") > size - 12:
        raise FileFormatError(
            "not a whole Parquet file; expected 'PAR1' at both ends and a footer between them"
        )
    return size


def guarded(step: Callable[[], Found]) -> Found:
    """Run a step of the Rust code.

    Raises
    ------
    FileFormatError
        In place of its errors, and of its panics, each a BaseException.
    """
    try:
        return step()
    except (KeyboardInterrupt, SystemExit, MemoryError, OSError):
        raise
    except BaseException as error:
        raise FileFormatError(f"not readable as Parquet ({str(error)[:300]})") from None


def write_batches(file: Seekable, schema: Schema, batches: Iterable[RecordBatch], rows: int) -> None:
    """Write record batches in groups of so many rows, compressed with zstd.

    Raises
    ------
    OSError
        The file's first; or whatever making the batches raised, as it was raised.
    """
    sink = _Quiet(file)
    failure: list[BaseException] = []

    def kept() -> Iterator[RecordBatch]:
        try:
            for batch in batches:
                if sink.error is not None:
                    raise sink.error
                yield batch
        except BaseException as error:  # Arrow's stream interface carries only its text
            failure.append(error)
            raise

    try:
        reader = RecordBatchReader.from_batches(schema, kept())
        out = cast(IO[bytes], sink)  # of which it uses write alone
        write_parquet(reader, out, compression="zstd(3)", max_row_group_size=rows)
    except BaseException:
        if failure:
            raise failure[0] from None
        raise
    if sink.error is not None:
        raise sink.error


class _Quiet:
    """A sink that keeps its first OSError and goes on, because the Rust code panics over one."""

    def __init__(self, file: Seekable) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Left to the owner of the file."""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)
