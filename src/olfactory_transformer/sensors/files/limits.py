"""How large a file of a recording may be."""

from __future__ import annotations

from dataclasses import dataclass

from olfactory_transformer.core.errors import RecordingError

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """What is refused beyond.

    Parameters
    ----------
    rows : int
        Frames of a file; of Parquet, and of JSON Lines, too.
    columns : int
        Those that are no channels count as well.
    size : int
        Bytes, uncompressed.
    """

    rows: int = 5_000_000
    columns: int = 200
    size: int = 512 * 2**20

    def check_rows(self, rows: int) -> None:
        """Raise RecordingError if there are more.

        >>> Limits(rows=2).check_rows(3)
        Traceback (most recent call last):
        ...
        olfactory_transformer.core.errors.RecordingError: 3 rows or more; expected at most 2
        """
        if rows > self.rows:
            raise RecordingError(f"{rows} rows or more", f"at most {self.rows}")

    def check_columns(self, columns: int) -> None:
        """Raise RecordingError if there are more."""
        if columns > self.columns:
            raise RecordingError(f"{columns} columns", f"at most {self.columns}")

    def check_size(self, size: int) -> None:
        """Raise RecordingError if there are more bytes."""
        if size > self.size:
            raise RecordingError(f"{size} bytes or more", f"at most {self.size}")
