"""What was smelt, as text for people."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from olfactory_transformer.core.smells import SmellIdentification

Words = Callable[[str], dict[str, Any] | None]
"""Gives what a name's compounds smell of; None where none is known."""


def text_of(heading: str, answer: SmellIdentification, count: int, *, ascii_only: bool = False) -> str:
    """Return some lines for people: the first smells with bars, how sure it is none of them, and warnings.

    >>> from olfactory_transformer.core.smells import Smell, SmellIdentification
    >>> ranked = (Smell("clove", 0.75), Smell("mint", 0.05))
    >>> answer = SmellIdentification(ranked, 0.2, 120, 2, True, warnings=("short",))
    >>> print(text_of("a.csv", answer, 1, ascii_only=True))
    a.csv: clove
        clove          75 %  ##################
        unknown        20 %  #####
        120 s heard, settled
      ! short
    """
    from olfactory_transformer.core.render import bar, printable

    rows = [(each.name, each.probability) for each in answer.ranked[:count]]
    rows.append(("unknown", answer.unknown))
    width = max(13, *(len(printable(name)) for name, _ in rows))
    lines = [printable(f"{heading}: {answer.name}")]
    for name, chance in rows:
        drawn = bar(chance, ascii_only=ascii_only)
        lines.append(f"    {printable(name):<{width}} {100 * chance:3.0f} %  {drawn}".rstrip())
    lines.append(f"    {answer.seconds:.0f} s heard, {'settled' if answer.settled else 'not settled yet'}")
    lines += [f"  ! {printable(warning)}" for warning in answer.warnings]
    return "\n".join(lines)


def show(
    heading: str,
    answer: SmellIdentification,
    count: int,
    words: Words | None,
) -> None:
    """Print an answer, with the words of its name if they are asked for."""
    try:
        "█▏".encode(sys.stdout.encoding or "ascii")
        ascii_only = False
    except UnicodeEncodeError:
        ascii_only = True
    print(text_of(heading, answer, count, ascii_only=ascii_only))
    if words is None:
        return
    said = words(answer.name)
    if said is None:
        print("    in words: no compounds of it are known")
        return
    shown = ", ".join(f"{each['word']} {100 * each['probability']:.0f} %" for each in said["words"][:6])
    of = ", ".join(each["name"] for each in said["compounds"])
    print(f"    in words: {shown}\n    ({said['said']}: {of})")
