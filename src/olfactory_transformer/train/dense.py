"""Dense networks on a table of features, over all tasks at once: teachers, and the last layers of the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.train.fit import device_of, rate
from olfactory_transformer.train.learner import MultiTask, new_head
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.state import load_state, save_state
from olfactory_transformer.train.tasks import Task, TrainingSet

Floats = npt.NDArray[np.float32]
_DROPOUT, _INPUT_DROPOUT = 0.5, 0.2


@dataclass(frozen=True, slots=True)
class DenseConfig:
    """How a dense network is trained.

    Parameters
    ----------
    epochs, batch_size : int
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up, then falls to zero as a cosine.
    seed : int
    """

    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    seed: int = 0


class DenseNetwork(MultiTask):
    """Dense layers over a molecule's features, then one layer a task.

    Parameters
    ----------
    features : ndarray of float32, (M, F)
        Of the molecules that will be asked after.
    tasks : sequence of Task
    widths : sequence of int
        Of the layers.
    """

    features: Tensor

    def __init__(self, features: Floats, tasks: Sequence[Task], widths: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        layers: list[nn.Module] = [nn.Dropout(_INPUT_DROPOUT)]
        inputs = features.shape[1]
        for width in widths:
            layers += [nn.Linear(inputs, width), nn.GELU(), nn.Dropout(_DROPOUT)]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.heads = nn.ModuleDict(
            {task.name: new_head(task, inputs, _DROPOUT, deep=False) for task in tasks}
        )

    def head(self, name: str) -> nn.Module:
        """Return the head of a task."""
        return self.heads[name]

    def first_layer(self) -> tuple[Tensor, Tensor]:
        """Return weight (width, F) and bias (width,) of the layer that sees the features."""
        layer = self.body[1]
        assert isinstance(layer, nn.Linear)
        return layer.weight, layer.bias

    def losses(
        self, data: TrainingSet, molecules: npt.NDArray[np.int64], masked_share: float = 0.0
    ) -> dict[str, Tensor]:
        """Return each task's weighted loss on a batch of molecules, (B,); tasks without a head are left out."""
        tasks = [task for task in data.tasks if task.name in self.heads]
        return self.task_losses(tasks, molecules, self.body(self._features(molecules)))

    def _features(self, molecules: npt.NDArray[np.int64]) -> Tensor:
        return self.features[torch.from_numpy(molecules).to(self.features.device)]

    @torch.inference_mode()
    def last_layer(self, batch: int = 1024) -> Floats:
        """Return what the heads see of every molecule, (M, width)."""
        self.eval()
        parts = torch.split(self.features, batch)
        return np.concatenate([self.body(part).cpu().numpy() for part in parts])

    @torch.inference_mode()
    def answer(self, task: Task) -> Floats:
        """Return the predictions for every row of a task, (R, C): logits, or numbers in the targets' units."""
        self.eval()
        inputs = self.body(self._features(task.molecule))
        head = self.head(task.name)
        if task.log_dilution is None:
            found = head(inputs)
        else:
            found = head(inputs, torch.from_numpy(task.log_dilution).to(self.features.device))
        return np.asarray(found.cpu().numpy(), np.float32)


def trained(
    features: Floats,
    tasks: Sequence[Task],
    widths: Sequence[int],
    data: TrainingSet,
    molecules: npt.NDArray[np.int64],
    path: Path,
    config: DenseConfig,
    device: str = "auto",
) -> DenseNetwork:
    """Return a network trained on the molecules, or the one in `path` if it was trained so from the same.

    A run that was killed goes on with the networks it had not finished; one takes a minute or two. A network of other
    features, labels or settings, or a damaged file, is trained anew.
    """
    torch.manual_seed(config.seed)
    network = DenseNetwork(features, tasks, widths).to(device_of(device))
    made_from = _digest(features, tasks, widths, molecules, config)
    with suppress(DataError):
        groups, values = load_state(path, "a finished dense network")
        if values.get("made_from") == made_from:
            network.load_state_dict(groups["weights"])
            return network.eval()
    network.set_statistics(tasks, molecules)
    optimizer = torch.optim.AdamW(
        network.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    rng = np.random.default_rng(config.seed)
    # Equal parts: a last batch of a few molecules would be as loud as a full one.
    batches = max(1, len(molecules) // config.batch_size)
    network.train()
    for epoch in track(range(config.epochs), config.epochs, path.stem):
        for number, batch in enumerate(np.array_split(rng.permutation(molecules), batches)):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * rate(epoch * batches + number, config.epochs * batches)
            optimizer.zero_grad(set_to_none=True)
            losses = network.losses(data, batch)
            if not losses:
                continue
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_state(path, {"weights": network.state_dict()}, {"made_from": made_from})
    return network.eval()


def _digest(
    features: Floats,
    tasks: Sequence[Task],
    widths: Sequence[int],
    molecules: npt.NDArray[np.int64],
    config: DenseConfig,
) -> str:
    found = hashlib.sha256(json.dumps([list(widths), asdict(config)]).encode())
    for array in (features, molecules):
        found.update(np.ascontiguousarray(array).tobytes())
    for task in tasks:
        found.update(task.digest())
    return found.hexdigest()
