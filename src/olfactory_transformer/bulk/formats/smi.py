r""".smi: a SMILES a line and, after white space, an optional title.

Such a line has no room for predictions. They are written as RDKit's SmilesWriter does: a header line that
begins with `smiles`, and columns separated by tabs. A file with such a header is read in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import BinaryIO

from olfactory_transformer.bulk.contract import Chunk, Column, Sink, Table, in_chunks, transposed
from olfactory_transformer.bulk.formats import delimited
from olfactory_transformer.bulk.formats.text import open_lines, utf8_error, without_last_blanks

_COLUMNS = (Column("smiles", role="smiles"), Column("title", role="title"))


def read(file: BinaryIO, smiles_column: str, rows: int) -> Table:
    """Read SMILES and titles (the name of the column is not asked for); see `contract.Reader`."""
    lines = open_lines(file)
    first = next(lines, "")
    if first.split("\t")[0].strip().lower() == "smiles" and "\t" in first:
        return delimited.read_lines(chain([first], lines), None, rows, delimiter="\t")
    if not first or first.split()[:1] in (["smiles"], ["SMILES"], ["Smiles"]):
        return Table(_COLUMNS, _chunks(lines, rows))
    return Table(_COLUMNS, _chunks(chain([first], lines), rows))


def _chunks(lines: Iterator[str], rows: int) -> Iterator[Chunk]:
    for group in in_chunks(without_last_blanks(lines), rows):
        texts = [line.rstrip("\r\n") for line in group]
        yield Chunk(transposed([_split(text) for text in texts], 2), [utf8_error(text) for text in texts])


def _split(text: str) -> tuple[str | None, str | None]:
    """Split a line.

    >>> _split("CCO  ethyl alcohol"), _split("CCO"), _split("")
    (('CCO', 'ethyl alcohol'), ('CCO', None), (None, None))
    """
    smiles, title, *_ = [*text.split(None, 1), None, None]
    return smiles, title


def write(file: Sink, table: Table) -> None:
    """Write tab-separated columns, the SMILES first and named `smiles`; see `contract.Writer`."""
    order = sorted(range(len(table.columns)), key=lambda i: table.columns[i].role != "smiles")
    columns = [table.columns[i] for i in order]
    if columns[0].name.lower() != "smiles":
        columns[0] = replace(columns[0], name="smiles")
    chunks = (Chunk(tuple(chunk.values[i] for i in order), chunk.errors) for chunk in table.chunks)
    delimited.write(file, Table(tuple(columns), chunks), delimiter="\t")
