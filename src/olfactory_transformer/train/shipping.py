"""Train on all folds with the recipe that was cross-validated, and write the model folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.model.folder import write_json
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.train.card import model_card
from olfactory_transformer.train.cross_validate import CrossValidated
from olfactory_transformer.train.decisions import Decisions
from olfactory_transformer.train.finetune import with_decisions


def commit() -> str:
    """Return the commit of the working tree, with "+changes" if it has any; "unknown" outside of a checkout."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def headline(scores: CrossValidated) -> dict[str, str]:
    """Return the figures of the model card."""
    auroc, auroc_sd = scores.mean_of_folds(lambda s: s.macro_auroc.value)
    ap, ap_sd = scores.mean_of_folds(lambda s: s.macro_average_precision.value)
    odours = [r for name, r in scores.ratings.items() if name not in ("intensity", "valence")]
    return {
        "138 words, macro AUROC (mean of 5 folds)": f"{auroc:.4f} (sd {auroc_sd:.4f})",
        "138 words, macro average precision": f"{ap:.4f} (sd {ap_sd:.4f})",
        "expected calibration error of the words": f"{scores.calibration_error:.4f}",
        "primary notes, micro / macro F1": f"{scores.micro_f1:.3f} / {scores.macro_f1:.3f}",
        "intensity / pleasantness / 19 words at a dilution (Keller), Pearson r": (
            f"{scores.ratings['intensity']:.3f} / {scores.ratings['valence']:.3f} / {sum(odours) / len(odours):.3f}"
        ),
        "detection threshold (Abraham), R²": f"{scores.threshold_r2:.3f}",
        "odourless (Mayhew and GS-LF), AUROC": f"{scores.odorless_auroc:.3f}",
    }


def write_decisions(path: Path, decisions: Decisions, figures: Mapping[str, str]) -> None:
    """Keep temperature, thresholds and the card's figures for the final training."""
    write_json(path, {**asdict(decisions), "figures": dict(figures)})


def read_decisions(path: Path, words: int) -> tuple[Decisions, dict[str, str]]:
    """Read what `write_decisions` wrote; DataError if it is not for this number of words."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        decisions = Decisions(float(values["temperature"]), tuple(map(float, values["thresholds"])))
        figures = {str(name): str(value) for name, value in values["figures"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the decisions of a cross-validation ({error!r})") from None
    if len(decisions.thresholds) != words:
        raise DataError(f"{path}: {len(decisions.thresholds)} thresholds, expected {words}")
    return decisions, figures


def ship(
    model: OlfactoryTransformer,
    folder: Path,
    command: str,
    decisions: tuple[Decisions, Mapping[str, str]] | None,
) -> None:
    """Write the model folder with its card."""
    figures: Mapping[str, str] = {}
    if decisions is not None:
        with_decisions(model, decisions[0].temperature, decisions[0].thresholds)
        figures = decisions[1]
    parameters = sum(p.numel() for p in model.parameters())
    model.save_pretrained(folder, model_card(model.config, parameters, command, commit(), figures))
