"""Train on all folds with the recipe that was cross-validated, and write the model folder."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.mixture_predictor import embedding_by
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.model.folder import MIXTURES, write_json, write_manifest
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.train.card import Origin, model_card
from olfactory_transformer.train.cross_validate import CrossValidated
from olfactory_transformer.train.decisions import Decisions
from olfactory_transformer.train.distil import SoftLabels
from olfactory_transformer.train.finetune import predict, with_decisions
from olfactory_transformer.train.mixtures import train_mixtures
from olfactory_transformer.train.reference import build_reference, write_reference
from olfactory_transformer.train.report import spread
from olfactory_transformer.train.tasks import TrainingSet


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


_HEADS = {
    ("isomeric", "AUROC"): "152 words with stereo, macro AUROC",
    ("ratings", "r intensity"): "intensity at a dilution (Keller), Pearson r",
    ("ratings", "r pleasantness"): "pleasantness at a dilution (Keller), Pearson r",
    ("ratings", "mean r of words"): "19 words at a dilution (Keller), mean Pearson r",
    ("profile", "mean r of profiles"): "51 words at a dilution (DREAM 2025), mean r of profiles",
    ("atlas", "mean r of profiles"): "146 words (Dravnieks), mean r of profiles",
    ("threshold", "R2"): "detection threshold (Abraham), R²",
    ("odorless", "AUROC"): "odourless (Mayhew and GS-LF), AUROC",
}


def headline(scores: CrossValidated) -> dict[str, str]:
    """Return the figures of the model card."""
    auroc, auroc_sd = scores.mean_of_folds(lambda s: s.macro_auroc.value)
    ap, ap_sd = scores.mean_of_folds(lambda s: s.macro_average_precision.value)
    sets = scores.certainty.sets
    return {
        f"138 words, macro AUROC (folds {', '.join(map(str, scores.held_out))})": spread(auroc, auroc_sd, 4),
        "138 words, macro average precision": spread(ap, ap_sd, 4),
        "expected calibration error of the words": f"{scores.certainty.calibration_error:.4f}",
        "primary notes, micro / macro F1": f"{scores.certainty.micro_f1:.3f} / {scores.certainty.macro_f1:.3f}",
        "notes_90, share of the reference's words in it / mean size": (
            f"{_mean(s.share for s in sets):.3f} / {_mean(s.size for s in sets):.1f} words"
        ),
        **{
            what: f"{scores.heads[key][0]:.3f} (sd {scores.heads[key][1]:.3f})"
            for key, what in _HEADS.items()
        },
    }


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def write_decisions(path: Path, decisions: Decisions, figures: Mapping[str, str]) -> None:
    """Keep what was decided and the card's figures for the final training."""
    write_json(path, {**asdict(decisions), "figures": dict(figures)})


def read_decisions(path: Path, words: int) -> tuple[Decisions, dict[str, str]]:
    """Read what `write_decisions` wrote; DataError if it is not for this number of words."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        given: dict[str, Any] = {
            f.name: tuple(map(float, value)) if isinstance(value := values[f.name], list) else float(value)
            for f in fields(Decisions)
            if f.name in values
        }
        decisions = Decisions(**given)
        figures = {str(name): str(value) for name, value in values["figures"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the decisions of a cross-validation ({error!r})") from None
    if len(decisions.thresholds) != words or len(decisions.offsets) not in (0, words):
        raise DataError(f"{path}: {len(decisions.thresholds)} thresholds, expected {words}")
    return decisions, figures


def ship(
    model: OlfactoryTransformer,
    folder: Path,
    command: str,
    decisions: tuple[Decisions, Mapping[str, str]] | None,
    data: TrainingSet,
    folder_of_data: Path,
    hold_out: int | None = None,
    trunk: bool = False,
    taught: SoftLabels | None = None,
) -> None:
    """Write the model folder: the network with its card, the index of its molecules, and what it says of mixtures.

    Mixtures are left out if the data folder has none, or a fold is held out (they are not split by its molecules).

    Parameters
    ----------
    model : OlfactoryTransformer
    folder : Path
    command : str
        What trained it, for the card.
    decisions : (Decisions, figures) or None
        From the cross-validation.
    data : TrainingSet
        Without soft labels.
    folder_of_data : Path
    hold_out : int or None
    trunk : bool
        Whether the network began with a pre-trained trunk.
    taught : SoftLabels or None
        What it learned from beside the labels.
    """
    figures: Mapping[str, str] = {}
    if decisions is not None:
        with_decisions(model, decisions[0])
        figures = decisions[1]
    parameters = sum(p.numel() for p in model.parameters())
    mixtures = hold_out is None and (folder_of_data / "mixtures").is_dir()
    origin = Origin(
        command,
        commit(),
        trunk=trunk,
        taught=len(taught.smiles) if taught is not None else 0,
        mixtures=mixtures,
        hold_out=hold_out,
    )
    model.save_pretrained(folder, model_card(model.config, parameters, origin, figures))
    rounded = OlfactoryTransformer.from_pretrained(folder)  # what is served, to the last digit
    embedding = predict(rounded, data, np.arange(len(data.smiles)))["embedding"]
    write_reference(folder, build_reference(data, embedding, hold_out))
    if mixtures:
        embed = embedding_by(ScentPredictor.from_pretrained(folder))
        train_mixtures(folder_of_data, embed, folder / MIXTURES, score=False)
        write_manifest(folder)
