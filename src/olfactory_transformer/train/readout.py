"""The model's last layers: dense on embedding and fingerprint, trained once the transformer is done.

A dense layer overfits a few thousand molecules unless half of it is dropped at every step, which would cripple the
transformer below; so the transformer learns first, with heads of its own that are thrown away, and then stands still.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import READERS, OlfactoryTransformer, reader_width
from olfactory_transformer.train.dense import DenseConfig, trained
from olfactory_transformer.train.tasks import TrainingSet

Floats = npt.NDArray[np.float32]
STUDENT = DenseConfig(epochs=8)
DEFAULTS = DenseConfig(epochs=30)
_SEEDS_APART = 10  # between runs: more than they have readers


def counts(data: TrainingSet, batch: int = 512) -> Floats:
    """Return log(1 + count) of the substructures of every molecule, (M, 2048), as the network sees them."""
    tokens = data.tokens
    parts = [collate(tokens[i : i + batch]).fingerprint for i in range(0, len(tokens), batch)]
    return np.log1p(np.concatenate(parts).astype(np.float32))


def fit_readout(
    model: OlfactoryTransformer,
    embedding: Floats,
    data: TrainingSet,
    molecules: npt.NDArray[np.int64],
    folder: Path,
    config: DenseConfig,
    device: str = "auto",
) -> None:
    """Train the layers above the encoder of `model`, which stays as it is.

    Parameters
    ----------
    embedding : ndarray of float32, (M, E)
        Of all molecules of `data`, by the encoder.
    molecules : ndarray of int64
        Those to learn from.
    folder : Path
        Where each finished layer is kept.
    """
    centre, spread = embedding[molecules].mean(0), embedding[molecules].std(0) + 1e-6
    inputs = np.hstack([(embedding - centre) / spread, counts(data)])
    for reader, names in READERS.items():
        # The numbers are few, and learned better beside the words and the free text; the words are not.
        tasks = [task for task in data.tasks if task.name in names or reader != "words"]
        networks = [
            trained(
                inputs,
                tasks,
                (model.config.dense,),
                data,
                molecules,
                folder / f"readout-{reader}-{number}.safetensors",
                replace(config, seed=config.seed * _SEEDS_APART + number),
                device,
            )
            for number in range(reader_width(model.config, reader) // model.config.dense)
        ]
        below = [network.first_layer() for network in networks]
        weight, bias = (torch.cat([layer[i].detach().cpu() for layer in below]) for i in (0, 1))
        # The model reads the embedding as it is: its scaling goes into the weights.
        part = weight[:, : len(centre)] / torch.from_numpy(spread)
        model.dense[reader].load_state_dict(
            {
                "weight": torch.cat([part, weight[:, len(centre) :]], 1),
                "bias": bias - part @ torch.from_numpy(centre),
            }
        )
        for name in names:
            states = [network.head(name).state_dict() for network in networks]
            model.heads[name].load_state_dict(states[0] if len(states) == 1 else _mean(states))


def _mean(states: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the head that says the mean of what linear heads say of layers side by side."""
    return {
        "out.weight": torch.cat([state["out.weight"] for state in states], 1) / len(states),
        "out.bias": torch.stack([state["out.bias"] for state in states]).mean(0),
    }
