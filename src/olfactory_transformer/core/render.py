"""A prediction for people: as text for a terminal, as HTML for a notebook."""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olfactory_transformer.core.config import ScentPrediction

SHOWN = 10
NOTE = "●"
_BAR = 24
_EIGHTHS = " ▏▎▍▌▋▊▉"


def words_shown(prediction: ScentPrediction, count: int = SHOWN) -> list[tuple[str, float, bool]]:
    """Return the words worth showing: all primary notes, and the most probable others up to `count`.

    Returns
    -------
    list of (word, probability, whether it is a primary note), most probable first
    """
    notes = set(prediction.primary_notes)
    ranked = sorted(prediction.words.items(), key=lambda item: -item[1])
    others = max(0, count - len(notes))
    chosen = [item for item in ranked if item[0] in notes]
    chosen += [item for item in ranked if item[0] not in notes][:others]
    return [(word, chance, word in notes) for word, chance in sorted(chosen, key=lambda item: -item[1])]


def bar(share: float, width: int = _BAR, *, ascii_only: bool = False) -> str:
    """Return a bar of at most `width` characters.

    >>> bar(0.5, 4), bar(0.3, 4), bar(0.5, 4, ascii_only=True)
    ('██', '█▎', '##')
    """
    if not math.isfinite(share):
        return ""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if ascii_only:
        return "#" * round(eighths / 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def facts(prediction: ScentPrediction) -> Iterator[tuple[str, str, float | None]]:
    """Yield (name, value as text, share of its scale or None) for all that was predicted but the words."""
    at = f"at a dilution of {prediction.dilution:g}"
    if prediction.intensity is not None:
        yield "intensity", f"{prediction.intensity:.1f} of 10, {at}", prediction.intensity / 10
    if prediction.pleasantness is not None:
        yield "pleasantness", f"{prediction.pleasantness:.1f} of 10, {at}", prediction.pleasantness / 10
    if (threshold := prediction.threshold_ppm) is not None:
        yield "threshold", f"{threshold:.2g} ppm in air", None
    if prediction.odorless_probability is not None:
        chance = prediction.odorless_probability
        yield "odourless", f"{100 * chance:.0f} % probable", chance
    if prediction.confidence is not None:
        yield "confidence", f"{100 * prediction.confidence:.0f} %", prediction.confidence
    if (place := prediction.applicability) is not None:
        said = "inside" if place.inside else "outside"
        if place.percentile is not None:
            said += f", further than {place.percentile:.0f} % of new molecules"
        yield "applicability", said, None


def warnings(prediction: ScentPrediction) -> tuple[str, ...]:
    """Return what to warn of: changes to the input, and why the model should not have been asked."""
    reasons = prediction.applicability.reasons if prediction.applicability else ()
    return (*prediction.warnings, *reasons)


def text(prediction: ScentPrediction, *, count: int = SHOWN, ascii_only: bool = False) -> str:
    """Return some lines of plain text; a dot marks the primary notes.

    Examples
    --------
    >>> from olfactory_transformer.core.config import ScentPrediction
    >>> print(ScentPrediction(("vanilla",), 5.0, "COc1cc(C=O)ccc1O", words={"vanilla": 0.75, "smoky": 0.25}))
    COc1cc(C=O)ccc1O
      ● vanilla        75 %  ██████████████████
        smoky          25 %  ██████
        intensity     5.0 of 10, at a dilution of 0.001
    """
    lines = [printable(prediction.smiles or prediction.canonical_smiles or "(no molecule)")]
    mark = "*" if ascii_only else NOTE
    rows = words_shown(prediction, count)
    width = max([13, *(len(word) for word, _, _ in rows)])
    for word, chance, note in rows:
        drawn = bar(chance, ascii_only=ascii_only)
        lines.append(f"  {mark if note else ' '} {word:<{width}} {100 * chance:3.0f} %  {drawn}".rstrip())
    if not prediction.words and prediction.primary_notes:
        lines.append(f"  {mark} {', '.join(prediction.primary_notes)}")
    if prediction.words and not prediction.primary_notes:
        lines.append("    no word reaches the threshold of a primary note")
    lines += [f"    {name:<{width}} {value}" for name, value, _ in facts(prediction)]
    lines += [f"  ! {printable(warning)}" for warning in warnings(prediction)]
    return "\n".join(lines)


def html(prediction: ScentPrediction, *, count: int = SHOWN) -> str:
    """Return a table for a notebook: no scripts, no colours but the text's own, so that any theme suits.

    Examples
    --------
    >>> from olfactory_transformer.core.config import ScentPrediction
    >>> "&lt;b&gt;" in html(ScentPrediction(smiles="<b>"))
    True
    """
    cell = "padding:1px 8px;text-align:left;border:0;background:transparent;color:inherit"
    rows = [
        f'<tr><td style="{cell}">{f"<b>{escape(word)}</b>" if note else escape(word)}</td>'
        f'<td style="{cell}">{_html_bar(chance)}</td>'
        f'<td style="{cell};text-align:right">{100 * chance:.0f} %</td></tr>'
        for word, chance, note in words_shown(prediction, count)
    ]
    rows += [
        f'<tr><td style="{cell};opacity:.75">{escape(name)}</td>'
        f'<td style="{cell}">{"" if share is None else _html_bar(share)}</td>'
        f'<td style="{cell}">{escape(value)}</td></tr>'
        for name, value, share in facts(prediction)
    ]
    warned = "".join(f"<div>⚠ {escape(printable(warning))}</div>" for warning in warnings(prediction))
    heading = escape(printable(prediction.smiles or prediction.canonical_smiles or "(no molecule)"))
    return (
        '<div style="font-family:system-ui,sans-serif;color:inherit">'
        f'<div><code style="color:inherit;background:transparent">{heading}</code></div>'
        f'<table style="border-collapse:collapse;border:0">{"".join(rows)}</table>{warned}'
        f'<div style="opacity:.6;font-size:smaller">{escape(prediction.model_version)}</div></div>'
    )


def _html_bar(share: float) -> str:
    percent = 100 * min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    filled = f"width:{percent:.1f}%;height:.7em;border-radius:2px;background:currentColor;opacity:.55"
    frame = "width:12em;border-radius:2px;border:1px solid rgba(128,128,128,.35)"
    return f'<div style="{frame}"><div style="{filled}"></div></div>'


def printable(line: str) -> str:
    r"""Escape what could move a terminal's cursor.

    >>> printable("C\x1b[2J")
    'C\\x1b[2J'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
