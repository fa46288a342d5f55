"""SDF: mol blocks (V2000 or V3000) with properties.

Records are split and properties are read here, as text, because RDKit's supplier gives nothing of a record
that it cannot read. The mol block itself goes through RDKit, and through an SDF unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from rdkit import Chem, rdBase
from rdkit.Chem import rdDepictor

from olfactory_transformer.bulk.contract import (
    ABSENT,
    Chunk,
    Column,
    Sink,
    Table,
    in_chunks,
    transposed,
    unique_names,
)
from olfactory_transformer.bulk.formats.text import as_text, open_lines, quoted, to_bytes, utf8_error
from olfactory_transformer.molecules import DEFAULT_LIMITS

_END = "$$$$"
_NAME = re.compile(r">.*?<(.*)>")
_EMPTY = "\n  olfactory\n\n  0  0  0  0  0  0  0  0  0  0999 V2000\nM  END\n"


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as text: the mol block, its properties, and why it cannot be trusted."""

    block: str
    properties: dict[str, str] = field(default_factory=dict)
    error: str = ""


def _records(lines: Iterator[str]) -> Iterator[_Record]:
    taken: list[str] = []
    for line in lines:
        text = line.rstrip("\r\n")
        if text.startswith(_END):
            yield _record(taken)
            taken = []
        else:
            taken.append(text)
    if any(line.strip() for line in taken):
        yield _record(taken)


def _record(lines: list[str]) -> _Record:
    """Split a record; its first three lines are free text, a property begins after them."""
    start = next((i for i, line in enumerate(lines) if i > 2 and line.startswith(">")), len(lines))
    found: dict[str, list[str]] = {}
    stray: list[str] = []
    values: list[str] = stray
    for line in lines[start:]:
        if line.startswith(">") and (values is stray):
            name = named.group(1) if (named := _NAME.match(line)) else line[1:].strip()
            values = found.setdefault(name, [])
        elif not line:
            values = stray
        else:
            values.append(line)
    error = utf8_error("\n".join(lines))
    if not error and any(line.strip() for line in stray):
        error = f"text outside of a property: {quoted(chr(10).join(stray))}"
    return _Record("\n".join([*lines[:start], ""]), {n: "\n".join(v) for n, v in found.items()}, error)


def _smiles(block: str) -> tuple[str | None, str]:
    """Return the SMILES of a mol block, or why there is none; sizes come before anything is perceived."""
    with rdBase.BlockLogs():
        bare = Chem.MolFromMolBlock(block, sanitize=False, removeHs=False)
        if bare is None:
            return None, "RDKit cannot read the mol block; expected V2000 or V3000"
        heavy = bare.GetNumHeavyAtoms()
        rings = bare.GetNumBonds() - bare.GetNumAtoms() + len(Chem.GetMolFrags(bare))
        if heavy == 0:
            return None, "a mol block without heavy atoms; expected at least one"
        if heavy > DEFAULT_LIMITS.heavy_atoms:
            return None, f"{heavy} heavy atoms; expected at most {DEFAULT_LIMITS.heavy_atoms}"
        if rings > DEFAULT_LIMITS.rings:
            return None, f"{rings} independent rings; expected at most {DEFAULT_LIMITS.rings}"
        mol = Chem.MolFromMolBlock(block)
        if mol is None:
            problems = [problem.Message() for problem in Chem.DetectChemistryProblems(bare)]
            return None, f"{'; '.join(problems) or 'RDKit refuses the structure'}; expected a valid structure"
        return Chem.MolToSmiles(mol), ""


def read(file: BinaryIO, smiles_column: str, rows: int) -> Table:
    """Read structures, titles and properties; the SMILES come from the structures. See `contract.Reader`."""
    lines = open_lines(file)
    names = list(dict.fromkeys(name for record in _records(lines) for name in record.properties))
    lines.seek(0)
    own = (Column(_free("smiles", names), role="smiles"), Column(_free("title", names), role="title"))

    def chunks() -> Iterator[Chunk]:
        for group in in_chunks(_records(lines), rows):
            values, errors = [], []
            for record in group:
                found, error = (None, record.error) if record.error else _smiles(record.block)
                if error:
                    error += f"; the block: {quoted(record.block)}"
                heading = record.block.partition("\n")[0]
                values.append(
                    [found, heading or None, *(record.properties.get(name, ABSENT) for name in names)]
                )
                errors.append(error)
            yield Chunk(transposed(values, len(names) + 2), errors, [record.block for record in group])

    return Table(own + tuple(Column(name) for name in names), chunks())


def _free(name: str, taken: Sequence[str]) -> str:
    """Return the name of a column that is not one of the properties.

    >>> _free("title", ["smiles"]), _free("smiles", ["smiles"])
    ('title', 'sdf_smiles')
    """
    while name in taken:
        name = f"sdf_{name}"
    return name


def write(file: Sink, table: Table) -> None:
    """Write the mol blocks that were read, or drawings of the canonical SMILES; see `contract.Writer`."""
    title = next((i for i, column in enumerate(table.columns) if column.role == "title"), None)
    canonical = next((i for i, column in enumerate(table.columns) if column.role == "canonical"), None)
    for chunk in table.chunks:
        # The structure and the title are in the block already.
        inside = {"title", "smiles"} if chunk.blocks else {"title"}
        kept = [i for i, column in enumerate(table.columns) if column.role not in inside]
        names = _names([table.columns[i].name for i in kept])
        for row, values in enumerate(zip(*chunk.values, strict=True)):
            if chunk.blocks:
                block = chunk.blocks[row]
            else:
                smiles = None if canonical is None else as_text(values[canonical])
                block = _drawn(smiles, None if title is None else as_text(values[title]))
            properties = zip(names, (as_text(values[i]) for i in kept), strict=True)
            written = "".join(
                f">  <{name}>\n{_safe(text)}\n\n" for name, text in properties if text is not None
            )
            file.write(to_bytes(f"{block}{written}{_END}\n"))


def _drawn(smiles: str | None, title: str | None) -> str:
    """Return a mol block with flat coordinates; one without atoms for a row that has no molecule."""
    heading = re.sub(r"\s+", " ", title or "")
    mol = Chem.MolFromSmiles(smiles) if smiles else None
    if mol is None:
        return heading + _EMPTY
    rdDepictor.Compute2DCoords(mol)
    mol.SetProp("_Name", heading)
    return str(Chem.MolToMolBlock(mol))


def _names(names: Sequence[str]) -> list[str]:

    return unique_names(re.sub(r"[<>\r\n]", "_", name) for name in names)


def _safe(text: str) -> str:
    r"""Return a value as a property can hold it: a blank line or a delimiter inside would end it.

    >>> _safe("two\nlines"), _safe("a\n\nb")
    ('two\nlines', '"a\\n\\nb"')
    """
    lines = text.split("\n")
    broken = "\r" in text or any(not line or line.startswith((">", _END)) for line in lines)
    return quoted(text) if text and broken else text
