"""Fine-tune on all labelled sets together; missing labels are masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import DataError
from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import HEADS, OlfactoryTransformer
from olfactory_transformer.train.decisions import Decisions
from olfactory_transformer.train.fit import STATE, FitConfig, Fitted, Molecules, Run
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.metrics import label_scores
from olfactory_transformer.train.state import load_state
from olfactory_transformer.train.tasks import TrainingSet

Floats = npt.NDArray[np.float32]
DEFAULTS = FitConfig(epochs=25, batch_size=64, learning_rate=5e-4, weight_decay=0.05, ema=0.995)
# With soft labels there is more to learn from, so more steps an epoch, and less need of dropout.
STUDENT = FitConfig(epochs=10, batch_size=64, learning_rate=8e-4, weight_decay=0.05, ema=0.998)
_DROPOUT, _STUDENT_DROPOUT = 0.2, 0.1


def recipe(student: bool) -> tuple[FitConfig, float]:
    """Return how to train, and the network's dropout: with the labels alone, or as a student of teachers."""
    return (STUDENT, _STUDENT_DROPOUT) if student else (DEFAULTS, _DROPOUT)


def model_config(
    data: TrainingSet, name: str = "unnamed", version: str = "0", dropout: float = _DROPOUT
) -> ModelConfig:
    """Return the configuration of a network for the tasks of `data`."""
    return ModelConfig(
        words=data.task("words").columns,
        isomeric=data.task("isomeric").columns,
        ratings=data.task("ratings").columns,
        profile=data.task("profile").columns,
        atlas=data.task("atlas").columns,
        name=name,
        version=version,
        dropout=dropout,
    )


def new_model(config: ModelConfig, trunk: Path | None, seed: int) -> OlfactoryTransformer:
    """Return a network with fresh heads on a pre-trained trunk (None: all of it fresh)."""
    torch.manual_seed(seed)
    model = OlfactoryTransformer(config)
    if trunk is not None:
        groups, values = load_state(trunk, "a trunk written by `olfactory pretrain`")
        if (values.get("width"), values.get("layers")) != (config.width, config.layers):
            raise DataError(f"{trunk}: a trunk of width {values.get('width')}, expected {config.width}")
        missing, unexpected = model.load_state_dict(groups["trunk"], strict=False)
        if any(name.split(".")[0] not in HEADS for name in (*missing, *unexpected)):
            raise DataError(f"{trunk}: not a trunk of this network")
    return model


def read_run(folder: Path, config: ModelConfig) -> OlfactoryTransformer:
    """Return the network that a finished run left in its folder; heads that it did not train stay fresh.

    Raises
    ------
    DataError
        No state of a finished run is there, or it is of another network.
    """
    path = folder / STATE
    groups, values = load_state(path, "the state of a run of `olfactory train` or `cross-validate`")
    done, of = values["epoch"], values["config"]["epochs"]
    if done < of and not values["config"]["patience"]:
        raise DataError(f"{path}: {done} epochs of {of} done, expected a finished run")
    weights = {
        name.removeprefix("model."): tensor
        for name, tensor in groups.get("average", {}).items()
        if name.startswith("model.")
    }
    model = OlfactoryTransformer(config)
    try:
        missing, _ = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise DataError(f"{path}: of another network ({' '.join(str(error).split())[:200]})") from None
    if any(name.split(".")[0] not in HEADS or name.startswith("words.") for name in missing):
        raise DataError(f"{path}: not the state of a network that names words")
    return model.eval()


def finetune(
    data: TrainingSet,
    folder: Path,
    *,
    trunk: Path | None,
    model: ModelConfig,
    config: FitConfig = DEFAULTS,
    hold_out: int | None = None,
    score_epochs: bool = True,
) -> tuple[OlfactoryTransformer, Fitted]:
    """Train on every molecule outside the held-out fold.

    Parameters
    ----------
    data : TrainingSet
        With soft labels added (`SoftLabels.added_to`), a student is trained.
    folder : Path
        Of the run; a run that was killed goes on from its last epoch, to the same result.
    trunk : Path or None
        From `pretrain`.
    model : ModelConfig
    config : FitConfig
        With `patience`, training stops early on the held-out fold, whose score is then optimistic.
    hold_out : int or None
        Fold no label of which is trained on; None: train on everything.
    score_epochs : bool
        Log the held-out macro AUROC after each epoch.
    """
    learner = Learner(new_model(model, trunk, config.seed), data.tasks, masked=False)
    molecules = np.flatnonzero(data.fold != hold_out) if hold_out is not None else np.arange(len(data.smiles))
    if (
        data.fold < 0
    ).any():  # beside many structures with soft labels, those with real ones come twice an epoch
        molecules = np.concatenate([molecules, molecules[data.fold[molecules] >= 0]])
    learner.set_statistics(data.tasks, molecules)
    run = Run(learner, config, folder)
    run.resume()
    validate = (
        _validator(learner, data, hold_out)
        if hold_out is not None and (score_epochs or config.patience)
        else None
    )
    fitted = run.fit(data, molecules, validate)
    return learner.model.eval(), fitted


def _validator(learner: Learner, data: TrainingSet, fold: int) -> Callable[[], float]:
    task = data.task("words")
    rows = np.flatnonzero(data.fold[task.molecule] == fold)

    def macro_auroc() -> float:
        outputs = predict(learner.model, data, task.molecule[rows])
        return label_scores(task.columns, task.values[rows], outputs["words"], samples=0).macro_auroc.value

    return macro_auroc


def predict(
    model: OlfactoryTransformer,
    data: TrainingSet,
    molecules: Molecules,
    log_dilution: Floats | None = None,
    batch: int = 256,
) -> dict[str, Floats]:
    """Return the network's outputs by name for some molecules of `data`, in their order."""
    device = model.readout.device
    dilution = np.full(len(molecules), -3.0, np.float32) if log_dilution is None else log_dilution
    order = np.argsort([len(data.tokens[i]) for i in molecules], kind="stable")
    parts: dict[str, list[Floats]] = {}
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            tokens = collate([data.tokens[i] for i in molecules[chosen]])
            outputs = model(
                torch.from_numpy(tokens.atoms).to(device),
                torch.from_numpy(tokens.relations).to(device),
                torch.from_numpy(dilution[chosen]).to(device),
            )
            for name, tensor in outputs._asdict().items():
                parts.setdefault(name, []).append(tensor.float().cpu().numpy())
    model.train(was_training)
    back = np.argsort(order)
    return {name: np.concatenate(arrays)[back] for name, arrays in parts.items()}


def with_decisions(model: OlfactoryTransformer, decisions: Decisions) -> None:
    """Give a trained model its calibration and thresholds."""
    model.config = replace(model.config, **asdict(decisions))
