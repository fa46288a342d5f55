"""Progress bars on a terminal, nothing in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

T = TypeVar("T")
_hidden = False


def hide_bars() -> None:
    """Show no bars from now on: for worker processes, whose bars would overwrite each other's."""
    global _hidden
    _hidden = True


def track(items: Iterable[T], total: int | None, text: str) -> Iterator[T]:
    """Yield `items` with a bar on standard error, if that is a terminal.

    >>> list(track([1, 2], 2, "counting"))
    [1, 2]
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, disable=_hidden or not console.is_terminal, transient=True
    ) as progress:
        yield from progress.track(items, total=total, description=text)
