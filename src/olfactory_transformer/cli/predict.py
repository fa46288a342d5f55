"""`olfactory predict`: molecules on the command line, or a file of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import FILES, ModelOption, SmilesColumnOption
from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.inference.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from olfactory_transformer.bulk.files import Source
    from olfactory_transformer.bulk.score import Summary
    from olfactory_transformer.core.config import ScentPrediction
    from olfactory_transformer.core.errors import MoleculeError
    from olfactory_transformer.inference.predictor import ScentPredictor

_AT_ONCE = 64  # lines of standard input: prompt enough to watch, enough to fill a batch


class Words(StrEnum):
    """How much is said of each molecule."""

    ALL = "all"
    NOTES = "notes"


def predict(
    smiles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SMILES",
            help="Molecules. '-' reads them from standard input, one a line. '--' before one with a leading '-'.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--input",
            "-i",
            metavar="FILE",
            help=f"A file of molecules: {FILES}, or '-'.",
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write the file with predictions added, or '-'."
        ),
    ] = "-",
    smiles_column: SmilesColumnOption = "smiles",
    words: Annotated[
        Words, typer.Option(help="The probability of all words, or only the primary notes.")
    ] = Words.ALL,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, tsv, smi, sdf, parquet or jsonl; for '-' (csv if not given), and names that do not say.",
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object a line, in the order given (not with --input)."),
    ] = False,
    dilution: Annotated[
        float, typer.Option(help="Volume fraction (0-1] at which intensity and pleasantness are meant.")
    ] = DEFAULT_DILUTION,
    model: ModelOption = DEFAULT_MODEL,
) -> None:
    """Say what molecules smell like.

    With --input, every row and column of the file is kept, in order, and the predictions are added as
    columns; a prediction whose name the file has already is called predicted_NAME. A row that cannot be read
    has its reason in the column `error`.

    Exit code: 0 when all molecules were predicted, 1 when some could not be read, 2 when nothing could be
    done.
    """
    if (source is None) == (not smiles):
        raise typer.BadParameter("give either SMILES or --input FILE")
    if source is None and (target != "-" or form):
        raise typer.BadParameter("--output and --format go with --input")
    if source is not None and as_json:
        raise typer.BadParameter(
            "--json goes with SMILES; for a file, name the output .jsonl or use --format jsonl"
        )
    if not 0 < dilution <= 1:
        raise typer.BadParameter(
            f"--dilution: got {dilution:g}, expected a volume fraction, 0 < dilution <= 1"
        )

    from olfactory_transformer.inference.predictor import ScentPredictor

    predictor = ScentPredictor.from_pretrained(model)
    if source is not None:
        failed = _file(predictor, source, target, words, smiles_column, form, dilution)
    else:
        show = _show_json if as_json else _show_text()
        failed = _arguments(predictor, smiles or [], words, dilution, show)
    if failed:
        raise typer.Exit(1)


# -- molecules on the command line ---------------------------------------------------------------------------

Show = Callable[[str, "ScentPrediction | MoleculeError", Words], None]


def _arguments(
    predictor: ScentPredictor, smiles: list[str], words: Words, dilution: float, show: Show
) -> int:
    from olfactory_transformer.bulk.contract import in_chunks
    from olfactory_transformer.core.errors import MoleculeError

    failed = 0
    texts: Iterable[str] = _standard_input() if smiles == ["-"] else smiles
    for chunk in in_chunks(texts, _AT_ONCE):
        found = predictor.predict(chunk, dilution, errors="return")
        for text, result in zip(chunk, found, strict=True):
            show(text, result, words)
            failed += isinstance(result, MoleculeError)
        sys.stdout.flush()
    return failed


def _standard_input() -> Iterator[str]:
    """Yield its lines; blank ones separate nothing and are left out."""
    for line in sys.stdin.buffer:
        if line.strip():
            yield line.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _show_json(text: str, result: ScentPrediction | MoleculeError, words: Words) -> None:
    from olfactory_transformer.core.config import ScentPrediction

    if isinstance(result, ScentPrediction):
        values: dict[str, Any] = result.as_dict()
        if words is Words.NOTES:
            del values["words"]
    else:
        values = {"smiles": text, "error": str(result), "code": result.code}
    print(json.dumps(values))


def _show_text() -> Show:
    from rich.console import Console
    from rich.text import Text

    from olfactory_transformer.core import render
    from olfactory_transformer.core.config import ScentPrediction
    from olfactory_transformer.core.errors import shown

    console = Console(highlight=False, soft_wrap=True)
    try:
        (render.NOTE + "█▏").encode(sys.stdout.encoding or "ascii")
        ascii_only = False
    except UnicodeEncodeError:
        ascii_only = True

    def show(text: str, result: ScentPrediction | MoleculeError, words: Words) -> None:
        if not isinstance(result, ScentPrediction):
            sys.stdout.flush()  # so that both streams stay in order on a terminal
            typer.echo(f"{shown(text)}: {result}", err=True)
            return
        count = 0 if words is Words.NOTES else render.SHOWN
        drawn = Text(render.text(result, count=count, ascii_only=ascii_only))
        drawn.highlight_regex(r"(?m)^[^\s].*$", "bold")
        drawn.highlight_regex(r"(?m)[█▏▎▍▌▋▊▉]+$|●|(?<=  )#+$", "cyan")
        drawn.highlight_regex(r"(?m)^  ! .*$", "yellow")
        console.print(drawn)

    return show


# -- a file --------------------------------------------------------------------------------------------------


def _file(
    predictor: ScentPredictor,
    source: str,
    target: str,
    words: Words,
    smiles_column: str,
    form: str | None,
    dilution: float,
) -> int:
    from olfactory_transformer.bulk import score_file

    with _progress() as progress:
        summary = score_file(
            source,
            target,
            predictor,
            words=words.value,
            smiles_column=smiles_column,
            form=form,
            dilution=dilution,
            progress=progress,
        )
    if summary.renamed:
        names = list(summary.renamed.values())
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        typer.echo(f"the file has columns with names of predictions; these are called {some}", err=True)
    typer.echo(f"{summary.rows} rows, {summary.failed} failed", err=True)
    return summary.failed


@contextmanager
def _progress() -> Iterator[Callable[[Summary, Source], None] | None]:
    """Draw a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def advance(summary: Summary, source: Source) -> None:
            said = f"{summary.rows:,} rows, {summary.failed:,} failed"
            bar.update(task, description=said, total=source.size, completed=source.position())

        yield advance
