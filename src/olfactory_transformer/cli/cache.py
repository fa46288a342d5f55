"""`olfactory cache`: filling, measuring and emptying what outlives a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olfactory_transformer.cli.options import (
    FILES,
    ConfigOption,
    Form,
    FormOption,
    ServedModelOption,
    SmilesColumnOption,
)
from olfactory_transformer.core.config import DEFAULT_DILUTION

if TYPE_CHECKING:
    from olfactory_transformer.settings import Settings
    from olfactory_transformer.utils.stores.tiers import Tiers

app = typer.Typer(no_args_is_help=True, help="Fill, measure or empty the cache on disk and in Redis.")

_PATIENCE = 5.0  # seconds for Redis and for other writers: no request waits for a command
Progress = Callable[[int, int | None, int], None]  # position, size of the input, molecules so far


@app.command("warm")
def warm(
    smiles: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SMILES", help="Molecules. '--' before one with a leading '-'.", show_default=False
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE", help=f"A file of molecules: {FILES}, or '-'."),
    ] = None,
    smiles_column: SmilesColumnOption = "smiles",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, tsv, smi, sdf, parquet or jsonl; for '-' (csv if not given), and names that do not say.",
        ),
    ] = None,
    dilution: Annotated[
        float, typer.Option(help="Volume fraction (0-1] at which intensity and pleasantness are meant.")
    ] = DEFAULT_DILUTION,
    model: ServedModelOption = None,
    config: ConfigOption = None,
) -> None:
    """Predict molecules ahead, and keep the predictions where the server looks for them: CACHE_DIR and REDIS_URL.

    What is there already is not predicted again; what only one of both has is copied to the other.

    Exit code: 0 when all molecules are in the cache, 1 when some could not be read or kept, 2 when nothing could
    be done.
    """
    if not smiles and source is None:
        raise typer.BadParameter("give SMILES, --input FILE, or both")
    if not 0 < dilution <= 1:
        raise typer.BadParameter(
            f"--dilution: got {dilution:g}, expected a volume fraction, 0 < dilution <= 1"
        )
    from olfactory_transformer.bulk.contract import in_chunks
    from olfactory_transformer.cli.warming import AT_ONCE, Warming, read_rows
    from olfactory_transformer.inference.predictor import ScentPredictor
    from olfactory_transformer.settings import load_settings

    settings = load_settings(model_path=model, olfactory_config=config)
    tiers = _open(settings)
    predictor = ScentPredictor.from_pretrained(settings.model_path, tokenizer=settings.tokenizer_path)
    warming = Warming(tiers, predictor, dilution)
    with _progress() as progress:
        rows = read_rows(
            smiles or [], source, smiles_column, form, lambda at, of: progress(at, of, warming.seen)
        )
        for part in in_chunks(rows, AT_ONCE):
            warming.take(part)
    typer.echo(f"{warming.new} new, {warming.known} known, {warming.refused} refused; kept in {tiers.place}")
    if warming.lost:
        typer.echo(f"{warming.lost} are not in every tier", err=True)
    failed = _told(tiers)
    tiers.close()
    if warming.refused or warming.lost or failed:
        raise typer.Exit(1)


@app.command("stats")
def stats(form: FormOption = Form.TEXT, config: ConfigOption = None) -> None:
    """Show how many entries there are on disk and in Redis, and how large they are.

    Exit code: 0 when all could be counted, 1 when something failed, 2 when there is no cache.
    """
    from olfactory_transformer.settings import load_settings

    tiers = _open(load_settings(olfactory_config=config))
    found = [
        {
            "tier": store.name,
            "place": store.place,
            "entries": stats.entries,
            "bytes": stats.size,
            "fault": stats.fault,
        }
        for store in tiers.stores
        for stats in (store.stats(count=True),)
    ]
    if form is Form.JSON:
        typer.echo(json.dumps({"tiers": found}))
    else:
        _show(found)
    tiers.close()
    if any(row["fault"] for row in found):
        raise typer.Exit(1)


@app.command("clear")
def clear(config: ConfigOption = None) -> None:
    """Delete the entries of this package on disk and in Redis; whatever else is there stays.

    A running server still has what is in its memory.

    Exit code: 0 when it was done, 1 when something failed, 2 when there is no cache.
    """
    from olfactory_transformer.settings import load_settings

    tiers = _open(load_settings(olfactory_config=config))
    for store in tiers.stores:
        typer.echo(f"{store.name}: {store.clear()} deleted from {store.place}")
    failed = _told(tiers)
    tiers.close()
    if failed:
        raise typer.Exit(1)


# -- parts of them -------------------------------------------------------------------------------------------


def _open(settings: Settings) -> Tiers:
    """Return the tiers that outlive a process."""
    from olfactory_transformer.core.errors import SettingsError
    from olfactory_transformer.utils.stores.tiers import open_tiers

    if settings.cache_dir is None and settings.redis_url is None:
        raise SettingsError("no cache outlives the server: set CACHE_DIR, REDIS_URL or both")
    return open_tiers(
        folder=settings.cache_dir,
        disk_bytes=settings.cache_size_mb * 2**20,
        redis_url=settings.redis_url.get_secret_value() if settings.redis_url else None,
        redis_timeout=_PATIENCE,
        busy=_PATIENCE,
        ttl=3600 * settings.cache_ttl_hours,
    )


def _told(tiers: Tiers) -> bool:
    """Say on standard error which tiers failed, and how; tell whether one did."""
    failed = {name: stats for name, stats in tiers.by_tier().items() if stats.errors}
    for name, stats in failed.items():
        typer.echo(f"{name}: {stats.errors} operations failed, the last with {stats.fault}", err=True)
    return bool(failed)


def _show(found: list[dict[str, Any]]) -> None:
    from olfactory_transformer.cli.keys import print_table

    rows = (
        (
            row["tier"],
            row["place"],
            f"{row['entries']:,}",
            f"{row['bytes'] / 2**20:,.1f}",
            row["fault"] or "none",
        )
        for row in found
    )
    print_table(("Tier", "Place", "Entries", "MiB", "Fault"), rows)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Draw a bar on standard error, if that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda at, of, seen: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("predicting", total=None)
        yield lambda at, of, seen: bar.update(task, description=f"{seen:,} molecules", total=of, completed=at)
