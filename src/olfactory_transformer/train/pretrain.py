"""Pre-train the trunk on unlabelled structures: descriptors, fingerprints and hidden atoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.model.transformer import HEADS, OlfactoryTransformer
from olfactory_transformer.train.fit import FitConfig, Fitted, Run
from olfactory_transformer.train.learner import Learner
from olfactory_transformer.train.state import save_state
from olfactory_transformer.train.structures import read_structures

TRUNK = "trunk.safetensors"
DEFAULTS = FitConfig(
    epochs=6, batch_size=128, learning_rate=1e-3, weight_decay=0.01, ema=0.999, masked_share=0.5
)


def default_model() -> ModelConfig:
    """Return the network whose trunk is trained; its heads stay untrained."""
    return ModelConfig(words=("none",), ratings=("none",), dropout=0.05)


def pretrain(
    folder: Path, model: ModelConfig, config: FitConfig = DEFAULTS, limit: int | None = None
) -> Fitted:
    """Train a trunk and write it to `folder`/trunk.safetensors.

    Parameters
    ----------
    folder : Path
        Of the run; a run that was killed goes on from its last epoch. The structures and their targets are kept
        there as structures.npz.
    model : ModelConfig
        The network; its heads are not trained here.
    config : FitConfig
    limit : int or None
        Only so many structures (for a trial).
    """
    data = read_structures(folder / "structures.npz", limit)
    torch.manual_seed(config.seed)
    learner = Learner(OlfactoryTransformer(model), data.tasks, masked=True)
    molecules = np.arange(len(data.smiles))
    learner.set_statistics(data.tasks, molecules)
    run = Run(learner, config, folder)
    run.resume()
    fitted = run.fit(data, molecules)
    trunk = {name: t for name, t in learner.model.state_dict().items() if name.split(".")[0] not in HEADS}
    save_state(folder / TRUNK, {"trunk": trunk}, {"width": model.width, "layers": model.layers})
    return fitted
