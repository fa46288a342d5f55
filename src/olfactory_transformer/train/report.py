"""The cross-validation as a Markdown page."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence

import numpy as np

from olfactory_transformer.train.cross_validate import CrossValidated


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table.

    >>> print(table(["a", "b"], [[1, 2]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine() -> str:
    """Return what the figures were measured on."""
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{torch.get_num_threads()} CPU threads ({platform.machine()}){gpu}, torch {torch.__version__}"


def cross_validation_page(scores: CrossValidated, command: str, commit: str, seed: int, settings: str) -> str:
    """Return the page `docs/results/cross-validation.md`."""
    auroc, auroc_sd = scores.mean_of_folds(lambda s: s.macro_auroc.value)
    ap, ap_sd = scores.mean_of_folds(lambda s: s.macro_average_precision.value)
    odours = [value for name, value in scores.ratings.items() if name not in ("intensity", "valence")]
    folds = [[k, s.molecules, s.macro_auroc, s.macro_average_precision] for k, s in enumerate(scores.folds)]
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
        f"Mean of the five folds: **macro AUROC {auroc:.4f}** (sd {auroc_sd:.4f}), macro average precision "
        f"**{ap:.4f}** (sd {ap_sd:.4f}).",
        table(["fold", "molecules", "macro AUROC", "macro average precision"], folds),
        "## Probabilities and notes",
        f"Temperature {scores.decisions.temperature:.3f}; expected calibration error of the pooled words "
        f"{scores.calibration_error:.4f}. Primary notes, each fold with thresholds chosen on the others: "
        f"micro F1 {scores.micro_f1:.3f}, macro F1 {scores.macro_f1:.3f}.",
        "`confidence` against the share of the primary notes that the reference names:",
        table(
            ["confidence", "molecules", "mean stated", "right"],
            [[band, n, f"{stated:.3f}", f"{right:.3f}"] for band, n, stated, right in scores.confidence],
        ),
        "## The other heads, over held-out molecules",
        table(
            ["output", "data", "figure"],
            [
                ["intensity at a dilution", "keller2016", f"r {scores.ratings['intensity']:.3f}"],
                ["pleasantness at a dilution", "keller2016", f"r {scores.ratings['valence']:.3f}"],
                ["19 words at a dilution", "keller2016", f"mean r {float(np.nanmean(odours)):.3f}"],
                ["detection threshold", "abraham2012", f"R² {scores.threshold_r2:.3f}"],
                ["odourless", "mayhew2022 and gs_lf", f"AUROC {scores.odorless_auroc:.3f}"],
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
