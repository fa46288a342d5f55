"""Pre-train the trunk on unlabelled structures: descriptors, fingerprints, MiniMol's embedding and hidden atoms."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

import numpy as np
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.model.transformer import Encoder
from olfactory_transformer.train.fit import FitConfig, Fitted, Run
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.state import load_state, save_state
from olfactory_transformer.train.structures import boiling_held_back, read_structures

TRUNK = "trunk.safetensors"
DEFAULTS = FitConfig(
    epochs=10, batch_size=128, learning_rate=1e-3, weight_decay=0.01, ema=0.999, masked_share=0.5
)


def default_model() -> ModelConfig:
    """Return the network whose trunk is trained."""
    return ModelConfig(words=("none",), ratings=("none",), dropout=0.05)


def pretrain(
    folder: Path,
    model: ModelConfig,
    config: FitConfig = DEFAULTS,
    limit: int | None = None,
    held_back: Set[str] = frozenset(),
) -> Fitted:
    """Train a trunk and write it to `folder`/trunk.safetensors.

    Parameters
    ----------
    folder : Path
        Of the run; a run that was killed goes on from its last epoch. The structures and their targets are kept
        there as structures.npz.
    model : ModelConfig
        The network, of which the encoder is trained.
    config : FitConfig
    limit : int or None
        Only so many structures (for a trial).
    held_back : set of str
        Connectivities whose boiling points are not learned, so that a network on this trunk can be scored on them;
        without effect where structures.npz is there already.
    """
    cache = folder / "structures.npz"
    data = read_structures(cache, limit, held_back)
    torch.manual_seed(config.seed)
    learner = Learner(Encoder(model), data.tasks, masked=True)
    molecules = np.arange(len(data.smiles))
    learner.set_statistics(data.tasks, molecules)
    run = Run(learner, config, folder)
    run.resume()
    fitted = run.fit(data, molecules)
    values = {
        "width": model.width,
        "layers": model.layers,
        "boiling_held_back": boiling_held_back(cache),
    }
    save_state(folder / TRUNK, {"trunk": learner.encoder.state_dict()}, values)
    return fitted


def saw_boiling_points(trunk: Path | None) -> bool:
    """Return whether a trunk learned boiling points of labelled molecules, which then flatter their figures."""
    if trunk is None:
        return False
    return not load_state(trunk, "a trunk written by `olfactory pretrain`")[1].get("boiling_held_back", False)
