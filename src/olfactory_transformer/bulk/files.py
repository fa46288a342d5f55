"""Opening what is read and what is written: pipes, gzip, and outputs that appear only when they are whole."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from olfactory_transformer.bulk.contract import Format, Sink
from olfactory_transformer.bulk.registry import PIPE
from olfactory_transformer.core.errors import FileFormatError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """An open input.

    Parameters
    ----------
    file : BinaryIO
        Uncompressed.
    position : callable
        Bytes of the file on disk that were read.
    size : int or None
        Bytes of the file on disk; None when the position says nothing of what is left.
    """

    file: BinaryIO
    position: Callable[[], int]
    size: int | None


@contextmanager
def open_input(path: str, form: Format) -> Iterator[Source]:
    """Open `path`, or standard input for "-".

    Raises
    ------
    FileFormatError
        UTF-16 text, or a gzip file that is damaged or cut short; also while the file is read.
    OSError
        It cannot be opened.
    """
    with ExitStack() as stack:
        if path == PIPE:
            raw: BinaryIO = sys.stdin.buffer
            if form.twice:
                spool = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(raw, spool)
                spool.seek(0)
                raw = cast(BinaryIO, spool)
            elif not isinstance(raw, io.BufferedReader):
                raw = io.BufferedReader(cast(io.RawIOBase, raw))
        else:
            raw = stack.enter_context(Path(path).open("rb"))
        regular = path != PIPE and raw.seekable()
        size = os.fstat(raw.fileno()).st_size if regular and form.text else None
        file = raw
        if path.lower().endswith(".gz"):
            file = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))
        try:
            if form.text and cast(io.BufferedReader, file).peek(2)[:2] in _UTF16:
                raise FileFormatError("UTF-16 text; expected UTF-8")
            # A reader at its end may have closed the file.
            yield Source(file, lambda: raw.tell() if regular and not raw.closed else size or 0, size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileFormatError(f"damaged or cut short ({error}); expected a whole gzip file") from None


class _Named:
    """A file whose errors say which file it is: "No space left on device" alone says little."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path

    def write(self, data: bytes) -> int:
        with self.named():
            return self._file.write(data)

    def flush(self) -> None:
        with self.named():
            self._file.flush()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    @contextmanager
    def named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None


@contextmanager
def open_output(path: str) -> Iterator[Sink]:
    """Open `path` for writing, or standard output for "-".

    A file is written under another name beside it and renamed when all of it is on the disk, so that a full
    disk or a kill leaves either no file or the one that was there before.

    Raises
    ------
    OSError
        With the name of the file; also from the sink.
    """
    if path == PIPE:
        sink = _Named(sys.stdout.buffer, "standard output")
        yield sink
        sink.flush()
        return
    target = Path(path).resolve()
    if target.exists() and not target.is_file():  # /dev/null, a pipe
        device = target.open("wb")
        try:
            sink = _Named(device, path)
            yield sink
            sink.flush()
        finally:
            with suppress(OSError):  # closing flushes again, without the name
                device.close()
        return
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        named = _Named(part.open("xb"), path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    raw = named._file
    try:
        if path.lower().endswith(".gz"):
            with gzip.GzipFile(filename="", fileobj=cast(BinaryIO, named), mode="wb", mtime=0) as packed:
                yield cast(Sink, packed)
        else:
            yield named
        named.flush()
        with named.named():
            os.fsync(raw.fileno())
            raw.close()
            part.replace(target)
    except BaseException:
        with suppress(OSError):  # closing flushes again
            raw.close()
        part.unlink(missing_ok=True)
        raise


def same_file(source: str, target: str) -> bool:
    """Return whether both are one file, by whatever names."""
    if PIPE in (source, target):
        return False
    try:
        return Path(source).samefile(target)
    except OSError:  # one of them is not there
        return False
