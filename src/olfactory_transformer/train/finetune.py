"""Fine-tune on all labelled sets together; missing labels are masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import DataError
from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import OlfactoryTransformer
from olfactory_transformer.train.fit import FitConfig, Fitted, Molecules, Run
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.metrics import label_scores
from olfactory_transformer.train.state import load_state
from olfactory_transformer.train.tasks import TrainingSet

Floats = npt.NDArray[np.float32]
DEFAULTS = FitConfig(epochs=25, batch_size=64, learning_rate=5e-4, weight_decay=0.05, ema=0.995)


def model_config(
    data: TrainingSet, name: str = "unnamed", version: str = "0", dropout: float = 0.2
) -> ModelConfig:
    """Return the configuration of a network for the tasks of `data`."""
    words, ratings = data.task("words").columns, data.task("ratings").columns
    return ModelConfig(words=words, ratings=ratings, name=name, version=version, dropout=dropout)


def new_model(config: ModelConfig, trunk: Path | None, seed: int) -> OlfactoryTransformer:
    """Return a network with fresh heads on a pre-trained trunk (None: all of it fresh)."""
    torch.manual_seed(seed)
    model = OlfactoryTransformer(config)
    if trunk is not None:
        groups, values = load_state(trunk, "a trunk written by `olfactory pretrain`")
        if (values.get("width"), values.get("layers")) != (config.width, config.layers):
            raise DataError(f"{trunk}: a trunk of width {values.get('width')}, expected {config.width}")
        missing, unexpected = model.load_state_dict(groups["trunk"], strict=False)
        heads = ("words.", "ratings.", "threshold.", "odorless.")
        if unexpected or not all(name.startswith(heads) for name in missing):
            raise DataError(f"{trunk}: not a trunk of this network")
    return model


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
    learner.set_statistics(data.tasks, molecules)
    run = Run(learner, config, folder)
    run.resume()
    validate = (
        _validator(data, hold_out) if hold_out is not None and (score_epochs or config.patience) else None
    )
    fitted = run.fit(data, molecules, validate)
    return learner.model.eval(), fitted


def _validator(data: TrainingSet, fold: int) -> Callable[[Learner], float]:
    task = data.task("words")
    rows = np.flatnonzero(data.fold[task.molecule] == fold)

    def macro_auroc(learner: Learner) -> float:
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


def with_decisions(model: OlfactoryTransformer, temperature: float, thresholds: tuple[float, ...]) -> None:
    """Give a trained model its temperature and thresholds."""
    model.config = replace(model.config, temperature=temperature, thresholds=thresholds)
