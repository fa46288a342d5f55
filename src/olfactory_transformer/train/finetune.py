"""Fine-tune on all labelled sets together; missing labels are masked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.core.errors import DataError
from olfactory_transformer.model.tokenizer import TokenBatch, collate
from olfactory_transformer.model.transformer import Encoder, OlfactoryTransformer
from olfactory_transformer.train.decisions import Decisions
from olfactory_transformer.train.fit import FitConfig, Fitted, Molecules, Run
from olfactory_transformer.train.gaussian_process import fit_processes
from olfactory_transformer.train.hands import fit_hands
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.metrics import label_scores
from olfactory_transformer.train.readout import DEFAULTS as READOUT
from olfactory_transformer.train.readout import STUDENT as READOUT_STUDENT
from olfactory_transformer.train.readout import fit_readout
from olfactory_transformer.train.state import load_state, save_state
from olfactory_transformer.train.tasks import MODEL_TASKS, TrainingSet

Floats = npt.NDArray[np.float32]
DEFAULTS = FitConfig(epochs=25, batch_size=64, learning_rate=5e-4, weight_decay=0.05, ema=0.995)
# With soft labels there is more to learn from, so more steps an epoch, and less need of dropout.
STUDENT = FitConfig(epochs=6, batch_size=64, learning_rate=8e-4, weight_decay=0.05, ema=0.998)
_DROPOUT, _STUDENT_DROPOUT = 0.2, 0.1
NETWORK = "network.safetensors"


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


def new_encoder(config: ModelConfig, trunk: Path | None, seed: int) -> Encoder:
    """Return a pre-trained encoder (None: a fresh one)."""
    torch.manual_seed(seed)
    encoder = Encoder(config)
    if trunk is not None:
        groups, values = load_state(trunk, "a trunk written by `olfactory pretrain`")
        if (values.get("width"), values.get("layers")) != (config.width, config.layers):
            raise DataError(f"{trunk}: a trunk of width {values.get('width')}, expected {config.width}")
        try:
            encoder.load_state_dict(groups["trunk"])
        except (KeyError, RuntimeError):
            raise DataError(f"{trunk}: not a trunk of this network") from None
    return encoder


def read_run(folder: Path, config: ModelConfig) -> OlfactoryTransformer:
    """Return the network that a finished run left in its folder.

    Raises
    ------
    DataError
        No finished run is there, or it is of another network.
    """
    path = folder / NETWORK
    groups, values = load_state(
        path, "the network of a finished run of `olfactory train` or `cross-validate`"
    )
    model = OlfactoryTransformer(replace(config, process_rows=tuple(values.get("process_rows", ()))))
    try:
        model.load_state_dict(groups.get("network", {}))
    except RuntimeError as error:
        raise DataError(f"{path}: of another network ({' '.join(str(error).split())[:200]})") from None
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
    learner = Learner(new_encoder(model, trunk, config.seed), data.tasks, masked=False)
    molecules = np.flatnonzero(data.fold != hold_out) if hold_out is not None else np.arange(len(data.smiles))
    student = bool((data.fold < 0).any())
    if student:  # beside many structures with soft labels, those with real ones come twice an epoch
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
    network = OlfactoryTransformer(model).to(run.device)
    network.encoder.load_state_dict(learner.encoder.state_dict())
    embedding = embeddings(network.encoder, data, np.arange(len(data.smiles)))
    readout = READOUT_STUDENT if student else READOUT
    # A trial of few epochs shortens the last stage, too; the recipes' own are not touched.
    readout = replace(readout, seed=config.seed, epochs=min(readout.epochs, 3 * config.epochs))
    fit_readout(network, embedding, data, molecules, folder, readout, config.device)
    fit_hands(network, data, np.unique(molecules))
    fit_processes(network, embedding, data, molecules)
    values = {**asdict(config), "process_rows": network.config.process_rows}
    save_state(folder / NETWORK, {"network": network.state_dict()}, values)
    return network.eval(), fitted


def _validator(learner: Learner, data: TrainingSet, fold: int) -> Callable[[], float]:
    """Return what scores the encoder by the head that it is trained with."""
    task = data.task("words")
    rows = data.held_out(task, fold)

    def macro_auroc() -> float:
        embedding = embeddings(learner.encoder, data, task.molecule[rows])
        with torch.inference_mode():
            logits = learner.head("words")(torch.from_numpy(embedding).to(learner.encoder.readout.device))
        scores = label_scores(task.columns, task.values[rows], logits.cpu().numpy(), samples=0)
        return scores.macro_auroc.value

    return macro_auroc


def embeddings(encoder: Encoder, data: TrainingSet, molecules: Molecules) -> Floats:
    """Return the embedding of some molecules of `data`, (R, E), in their order."""

    def run(batch: TokenBatch, _: Molecules) -> dict[str, Tensor]:
        device = encoder.readout.device
        atoms, relations = (torch.from_numpy(a).to(device) for a in (batch.atoms, batch.relations))
        return {"embedding": encoder(atoms, relations)[0]}

    return _in_batches(encoder, data, molecules, run)["embedding"]


def predict(
    model: OlfactoryTransformer,
    data: TrainingSet,
    molecules: Molecules,
    log_dilution: Floats | None = None,
) -> dict[str, Floats]:
    """Return the network's outputs by name for some molecules of `data`, in their order."""
    device = model.encoder.readout.device
    dilution = np.full(len(molecules), -3.0, np.float32) if log_dilution is None else log_dilution

    def run(batch: TokenBatch, places: Molecules) -> dict[str, Tensor]:
        inputs = (batch.atoms, batch.relations, batch.fingerprint, batch.hands, dilution[places])
        outputs = model(*(torch.from_numpy(array).to(device) for array in inputs))
        return outputs._asdict()  # type: ignore[no-any-return]

    return _in_batches(model, data, molecules, run)


def _in_batches(
    network: nn.Module,
    data: TrainingSet,
    molecules: Molecules,
    run: Callable[[TokenBatch, Molecules], dict[str, Tensor]],
    size: int = 256,
) -> dict[str, Floats]:
    """Run `network` over molecules in batches of similar length; `run` gets a batch and its places in `molecules`."""
    order = np.argsort([len(data.tokens[i]) for i in molecules], kind="stable")
    parts: dict[str, list[Floats]] = {}
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(order), size):
            places = order[start : start + size]
            found = run(collate([data.tokens[i] for i in molecules[places]]), places)
            for name, tensor in found.items():
                parts.setdefault(name, []).append(tensor.float().cpu().numpy())
    network.train(was_training)
    back = np.argsort(order)
    return {name: np.concatenate(arrays)[back] for name, arrays in parts.items()}


def held_out_predictions(model: OlfactoryTransformer, data: TrainingSet, fold: int) -> dict[str, Floats]:
    """Return for each of `MODEL_TASKS` the network's predictions for the rows that a fold holds out, in their order.

    Logits for yes/no labels; ratings and profiles at the row's own dilution.
    """
    found = {}
    for task in map(data.task, MODEL_TASKS):
        rows = data.held_out(task, fold)
        dilution = None if task.log_dilution is None else task.log_dilution[rows]
        found[task.name] = predict(model, data, task.molecule[rows], dilution)[task.name]
    return found


def with_decisions(model: OlfactoryTransformer, decisions: Decisions) -> None:
    """Give a trained model its calibration and thresholds."""
    model.config = replace(model.config, **asdict(decisions))
