"""From a file of molecules to a file of molecules and predictions, a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from olfactory_transformer.bulk.contract import ABSENT, Chunk, Column, Kind, Role, Table, transposed
from olfactory_transformer.bulk.files import Source, open_input, open_output, same_file
from olfactory_transformer.bulk.registry import PIPE, format_of
from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import FileFormatError
from olfactory_transformer.inference.predictor import ScentPredictor

Words = Literal["all", "notes"]
ROWS = 1000  # of a chunk: enough to fill batches of similar length, little to hold in memory
_DIGITS = 6
_PREFIX = "predicted_"
_SUMMARY: tuple[tuple[str, Kind, Role], ...] = (
    ("primary_notes", "text", ""),
    ("intensity", "number", ""),
    ("pleasantness", "number", ""),
    ("log_inverse_threshold", "number", ""),
    ("odorless_probability", "number", ""),
    ("confidence", "number", ""),
    ("notes_90", "text", ""),
    ("applicability_inside", "boolean", ""),
    ("applicability_percentile", "number", ""),
    ("applicability_reasons", "text", ""),
    ("warnings", "text", ""),
    ("canonical_smiles", "text", "canonical"),
    ("error", "text", ""),
)


@dataclass(slots=True)
class Summary:
    """What became of a file.

    Parameters
    ----------
    rows, failed : int
        Rows written, and how many of them have an error in place of a prediction.
    renamed : mapping of str to str
        Columns of predictions whose names the file had already, and what they are called instead.
    """

    rows: int = 0
    failed: int = 0
    renamed: dict[str, str] = field(default_factory=dict)


Progress = Callable[[Summary, Source], None]


def score_file(
    source: str | Path,
    target: str | Path,
    predictor: ScentPredictor,
    *,
    words: Words = "all",
    smiles_column: str = "smiles",
    form: str | None = None,
    dilution: float = DEFAULT_DILUTION,
    rows: int = ROWS,
    progress: Progress | None = None,
) -> Summary:
    """Predict every row of a file; memory is bounded by a chunk and the longest row.

    Every row and column stays, in order; predictions are columns after them. A prediction whose name the file
    has already gets the prefix `predicted_`. A row that cannot be read has its reason in the column `error`.

    Parameters
    ----------
    source, target : str or Path
        "-" is standard input or output. The target appears only when it is whole.
    predictor : ScentPredictor
    words : "all" or "notes"
        A column for every word's probability, or only `primary_notes`.
    smiles_column : str
        Not asked for in `.smi` and `.sdf`.
    form : str or None
        Of "-", and of files whose extension does not tell.
    dilution : float
        Volume fraction.
    rows : int
        Of a chunk.
    progress : callable or None
        Called after each chunk.

    Returns
    -------
    Summary

    Raises
    ------
    FileFormatError
        The source is not of its format, has no such column, or is the target.
    ValueError
        The dilution is not a volume fraction.
    OSError
        A file cannot be opened or written; its name is in the error.
    """
    origin, goal = str(source), str(target)
    reading, writing = format_of(origin, form), format_of(goal, form)
    if same_file(origin, goal):
        raise FileFormatError(f"{goal}: the output is the input; expected another file")
    if not 0 < dilution <= 1:
        raise ValueError(f"dilution: got {dilution}, expected a volume fraction, 0 < dilution <= 1")
    summary = Summary()
    try:
        with open_input(origin, reading) as opened:
            table = reading.read(opened.file, smiles_column, rows)
            done = scored(table, predictor, summary, words=words, dilution=dilution)
            chunks = _watched(done.chunks, summary, opened, progress) if progress else done.chunks
            with open_output(goal) as sink:
                writing.write(sink, Table(done.columns, chunks))
    except FileFormatError as error:
        raise FileFormatError(f"{'standard input' if origin == PIPE else origin}: {error}") from None
    return summary


def _watched(
    chunks: Iterator[Chunk], summary: Summary, source: Source, progress: Progress
) -> Iterator[Chunk]:
    for chunk in chunks:
        yield chunk
        progress(summary, source)


def scored(
    table: Table,
    predictor: ScentPredictor,
    summary: Summary,
    *,
    words: Words,
    dilution: float = DEFAULT_DILUTION,
) -> Table:
    """Return the table with columns of predictions after its own; `summary` is filled as chunks are taken."""
    names = predictor.config.words if words == "all" else ()
    added = [Column(name, kind, role) for name, kind, role in _SUMMARY]
    added += [Column(name, "number") for name in names]
    taken = {column.name for column in table.columns}
    columns = []
    for column in added:
        name = column.name
        while name in taken:
            name = _PREFIX + name
        if name != column.name:
            summary.renamed[column.name] = name
        taken.add(name)
        columns.append(Column(name, column.kind, column.role))
    smiles = next(i for i, column in enumerate(table.columns) if column.role == "smiles")

    def chunks() -> Iterator[Chunk]:
        for chunk in table.chunks:
            results = _results(chunk, chunk.values[smiles], predictor, dilution)
            cells = [_cells(result, names) for result in results]
            summary.rows += len(results)
            summary.failed += sum(isinstance(result, str) for result in results)
            yield Chunk(chunk.values + transposed(cells, len(columns)), chunk.errors, chunk.blocks)

    return Table((*table.columns, *columns), chunks())


def _results(
    chunk: Chunk, smiles: Sequence[object], predictor: ScentPredictor, dilution: float
) -> list[ScentPrediction | str]:
    """Return a prediction, or why there is none, for each row."""
    results: list[ScentPrediction | str] = list(chunk.errors)
    rows = [row for row, error in enumerate(chunk.errors) if not error]
    # A missing SMILES is an empty one; what is no text at all (a number) is refused as such.
    texts = ["" if smiles[row] is None or smiles[row] is ABSENT else smiles[row] for row in rows]
    for row, found in zip(rows, _predict(texts, predictor, dilution), strict=True):
        results[row] = found if isinstance(found, ScentPrediction) else str(found)
    return results


def _predict(
    texts: Sequence[Any], predictor: ScentPredictor, dilution: float
) -> Sequence[ScentPrediction | Exception]:
    try:
        return predictor.predict(texts, dilution, errors="return")
    except MemoryError:
        raise
    except Exception as error:
        # A defect, here or in RDKit, that one molecule has met: it must not cost the other rows of the file.
        if len(texts) == 1:
            return [RuntimeError(f"could not be predicted: {type(error).__name__}: {str(error)[:200]}")]
        return [found for text in texts for found in _predict([text], predictor, dilution)]


def _cells(result: ScentPrediction | str, words: Sequence[str]) -> list[object]:
    """Return the values of the added columns, in the order of `_SUMMARY` and then of the words."""
    if isinstance(result, str):
        return [*[None] * (len(_SUMMARY) - 1), result, *[None] * len(words)]
    place = result.applicability
    return [
        ";".join(result.primary_notes) or None,
        _rounded(result.intensity),
        _rounded(result.pleasantness),
        _rounded(result.log_inverse_threshold),
        _rounded(result.odorless_probability),
        _rounded(result.confidence),
        ";".join(result.notes_90) or None,
        place.inside if place else None,
        _rounded(place.percentile) if place else None,
        ("; ".join(place.reasons) or None) if place else None,
        "; ".join(result.warnings) or None,
        result.canonical_smiles,
        None,
        *(_rounded(result.words[word]) for word in words),
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
