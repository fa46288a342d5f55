"""The formats that are known, and which of them a file is."""

from __future__ import annotations

from pathlib import PurePath

from olfactory_transformer.bulk.contract import Format
from olfactory_transformer.bulk.formats import delimited, jsonl, parquet, sdf, smi
from olfactory_transformer.core.errors import FileFormatError

FORMATS = {
    found.name: found
    for found in (
        Format("csv", (".csv",), delimited.read_csv, delimited.write_csv),
        Format("tsv", (".tsv",), delimited.read_tsv, delimited.write_tsv),
        Format("smi", (".smi",), smi.read, smi.write),
        Format("sdf", (".sdf",), sdf.read, sdf.write, twice=True),
        Format("parquet", (".parquet",), parquet.read, parquet.write, twice=True, text=False),
        Format("jsonl", (".jsonl", ".ndjson"), jsonl.read, jsonl.write, twice=True),
    )
}
PIPE = "-"


def format_of(path: str, name: str | None = None) -> Format:
    """Return the format of a file by its extension, after a `.gz` on text.

    Parameters
    ----------
    path : str
        "-" is standard input or output.
    name : str or None
        The format of "-" (CSV without it) and of a file whose extension is none of ours.

    Raises
    ------
    FileFormatError
        Neither tells.

    Examples
    --------
    >>> format_of("library.CSV.gz").name, format_of("-").name, format_of("-", "jsonl").name
    ('csv', 'csv', 'jsonl')
    >>> format_of("library.xlsx")
    Traceback (most recent call last):
    ...
    olfactory_transformer.core.errors.FileFormatError: library.xlsx: unknown extension '.xlsx'; ...
    """
    if name is not None and name not in FORMATS:
        raise FileFormatError(f"unknown format {name!r}; expected one of {', '.join(FORMATS)}")
    if path == PIPE:
        return FORMATS[name or "csv"]
    suffixes = [suffix.lower() for suffix in PurePath(path).suffixes]
    packed = suffixes[-1:] == [".gz"]
    if packed:
        suffixes.pop()
    extension = suffixes[-1] if suffixes else ""
    known = {ending: found for found in FORMATS.values() for ending in found.extensions}
    found = known.get(extension) or (FORMATS[name] if name else None)
    if found is None:
        raise FileFormatError(
            f"{path}: unknown extension {extension!r}; "
            f"expected {', '.join(known)} (.gz after those of text), or --format {', '.join(FORMATS)}"
        )
    if packed and not found.text:
        raise FileFormatError(f"{path}: {found.name} is compressed inside; expected it without .gz")
    return found
