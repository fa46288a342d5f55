"""The cross-validation as a Markdown page."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from dataclasses import astuple

import numpy as np

from olfactory_transformer.train.certainty import Band, Certainty, SetScore
from olfactory_transformer.train.cross_validate import CrossValidated

RELIABILITY = "reliability.svg"  # beside the page


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table.

    >>> print(table(["a", "b"], [[1, 2]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(mean: float, sd: float, digits: int = 3) -> str:
    """Return a mean with its standard deviation, which one fold alone does not have.

    >>> spread(0.8853, 0.0012), spread(0.8853, 0.0)
    ('0.885 (sd 0.001)', '0.885')
    """
    return f"{mean:.{digits}f}" + (f" (sd {sd:.{digits}f})" if sd > 1e-9 else "")


def machine() -> str:
    """Return what the figures were measured on."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()}){gpu}, torch {torch.__version__}"


def cross_validation_page(
    scores: CrossValidated, command: str, commit: str, seed: int, settings: str, boiling_seen: bool = False
) -> str:
    """Return the page `docs/results/cross-validation.md`.

    Parameters
    ----------
    scores : CrossValidated
    command, commit : str
    seed : int
    settings : str
    boiling_seen : bool
        Whether the pre-training had boiling points of held-out molecules (see `saw_boiling_points`).
    """
    auroc, auroc_sd = scores.mean_of_folds(lambda s: s.macro_auroc.value)
    ap, ap_sd = scores.mean_of_folds(lambda s: s.macro_average_precision.value)
    folds = [
        [k, s.molecules, s.macro_auroc, s.macro_average_precision]
        for k, s in zip(scores.held_out, scores.folds, strict=True)
    ]
    words = sorted(scores.pooled.words, key=lambda w: -w.auroc)
    parts = [
        "# Cross-validation of the base model",
        "Written by the command below; do not edit.",
        f"- command: `{command}`\n- commit: {commit}\n- seeds: {seed} + fold\n- settings: {settings}\n"
        f"- machine: {machine()}",
        "One network a fold, trained for a fixed number of epochs on the other folds; the held-out fold did "
        "not choose the epoch. All stereoisomers of a molecule share a fold, over all data sources. "
        "Intervals are 95 % bootstrap intervals over molecules (1,000 samples), shifted by the samples' bias.",
        "## The 138 words (gs_lf.csv)",
        f"Mean of folds {', '.join(map(str, scores.held_out))}: macro AUROC **{spread(auroc, auroc_sd, 4)}**, macro "
        f"average precision **{spread(ap, ap_sd, 4)}**.",
        table(["fold", "molecules", "macro AUROC", "macro average precision"], folds),
        "## Probabilities and notes",
        *_certainty(scores.certainty, scores.parts),
        "## The other heads, over held-out molecules",
        "Mean and standard deviation over the folds done." + (_BOILING_SEEN if boiling_seen else ""),
        table(
            ["file", "figure", "held out"],
            [
                [_FILES[task], figure, spread(mean, sd)]
                for (task, figure), (mean, sd) in scores.heads.items()
                if task != "words"
            ],
        ),
        "## Every word",
        "Over all molecules at once, each predicted by the network that had not seen it.",
        table(
            ["word", "positives", "AUROC", "average precision"],
            [[w.word, w.positives, f"{w.auroc:.3f}", f"{w.average_precision:.3f}"] for w in words],
        ),
    ]
    return "\n\n".join(parts) + "\n"


_BOILING_SEEN = (
    " Boiling points were seen in pre-training, those of held-out molecules too, so the figures for volatility are "
    "too good."
)
_FILES = {
    "isomeric": "gs_lf_isomeric",
    "ratings": "keller2016",
    "profile": "dream2025_single",
    "atlas": "dravnieks1985",
    "threshold": "abraham2012",
    "odorless": "mayhew2022 and gs_lf",
    "volatility": "mayhew2022",
}


def _certainty(found: Certainty, parts: Sequence[str]) -> list[str]:
    """Return the paragraphs on probabilities, notes, sets and confidence."""
    rows = list(zip(parts, zip(found.sets, found.full_sets, strict=True), strict=True))
    means = [SetScore(*np.mean([astuple(s) for s in sets], axis=0)) for sets in (found.sets, found.full_sets)]
    return [
        f"Here each {parts[0].split()[0]} of the held-out molecules is judged by what was chosen on the others. "
        "Expected calibration error is that of all words pooled, and of the mean and the worst single word (of which "
        "chance alone makes a part):",
        table(
            ["calibration", "cross entropy", "error, pooled", "mean word", "worst word"],
            [
                [
                    name,
                    f"{c.cross_entropy:.5f}",
                    f"{c.pooled:.4f}",
                    f"{c.mean_word:.4f}",
                    f"{c.worst_word:.4f}",
                ]
                for name, c in found.calibrations.items()
            ],
        ),
        f"![What was right over what was stated]({RELIABILITY})",
        f"Primary notes: micro F1 {found.micro_f1:.3f}, macro F1 {found.macro_f1:.3f}.",
        "`confidence` against the share of the primary notes that the reference names (of the most probable word, "
        "without a note):",
        table(
            ["confidence", "molecules", "mean stated", "right"],
            [[_bounds(b), b.count, f"{b.stated:.3f}", f"{b.right:.3f}"] for b in found.confidence],
        ),
        "`notes_90` is to have, on average, 90 % of a molecule's words; beside it the larger set that is to have all "
        "words of 90 % of the molecules:",
        table(
            [
                parts[0].split()[0],
                "words in `notes_90`",
                "molecules with all",
                "mean size",
                "larger set: molecules with all",
                "mean size",
            ],
            [
                [
                    name,
                    f"{s.share:.3f}",
                    f"{s.whole:.3f}",
                    f"{s.size:.1f}",
                    f"{full.whole:.3f}",
                    f"{full.size:.1f}",
                ]
                for name, (s, full) in [*rows, ("mean", tuple(means))]
            ],
        ),
    ]


def _bounds(band: Band) -> str:
    return f"{band.low:.1f}-{band.high:.1f}"
