"""The training loop: one for pre-training and for fine-tuning.

A run is resumable with the same result as an uninterrupted one: every epoch seeds all randomness from the run's
seed and its own number, and the state after each epoch is on disk.
"""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from olfactory_transformer.core.errors import DataError, SettingsError
from olfactory_transformer.train.learner import MultiTask
from olfactory_transformer.train.progress import track
from olfactory_transformer.train.state import load_state, optimizer_tensors, restore_optimizer, save_state
from olfactory_transformer.train.tasks import TrainingSet

Molecules = npt.NDArray[np.int64]
STATE = "state.safetensors"
LOG = "log.csv"


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train.

    Parameters
    ----------
    epochs, batch_size : int
    learning_rate, weight_decay : float
        Of AdamW; the rate warms up over the first twentieth and falls to zero as a cosine.
    ema : float
        Decay of the moving average of the weights, which is what is kept; 0 for none.
    masked_share : float
        Share of molecules of which some atoms are hidden and to be named (pre-training).
    patience : int
        Stop when the validation score has not risen for so many epochs; 0: never. The best epoch is kept.
    seed : int
    device : str
        "auto" (a GPU where there is one), "cpu" or "cuda".
    """

    epochs: int = 25
    batch_size: int = 64
    learning_rate: float = 5e-4
    weight_decay: float = 0.05
    ema: float = 0.995
    masked_share: float = 0.0
    patience: int = 0
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a run ended: epochs done, the best validation score (NaN without one) and its epoch."""

    epochs: int
    score: float
    epoch: int


def device_of(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda") or (name == "cuda" and not torch.cuda.is_available()):
        raise SettingsError(f"device: got {name!r}, expected auto, cpu, or cuda where there is a GPU")
    return torch.device(name)


def mixed_precision(device: torch.device) -> torch.autocast:
    """Return a context in which matrices multiply in bfloat16, where the device does that faster."""
    # Not public; a torch that does not have it multiplies as always.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    fast = device.type == "cuda" or supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


def batches(
    lengths: npt.NDArray[np.int64], molecules: Molecules, size: int, rng: np.random.Generator
) -> list[Molecules]:
    """Shuffle into batches of similar length: sorted within windows of 20 batches, which are then shuffled."""
    order = rng.permutation(molecules)
    result: list[Molecules] = []
    for start in range(0, len(order), 20 * size):
        window = order[start : start + 20 * size]
        window = window[np.argsort(lengths[window], kind="stable")]
        result += [window[i : i + size] for i in range(0, len(window), size)]
    rng.shuffle(result)
    return result


def rate(step: int, steps: int) -> float:
    """Return the share of the full learning rate: linear warm-up, then cosine to zero.

    >>> [round(rate(step, 100), 2) for step in (0, 4, 5, 52, 99)]
    [0.2, 1.0, 1.0, 0.51, 0.0]
    """
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class Run:
    """One training run in a folder of its own."""

    def __init__(self, learner: MultiTask, config: FitConfig, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.device = device_of(config.device)
        self.learner = learner.to(self.device)
        self.optimizer = torch.optim.AdamW(self._groups(), lr=config.learning_rate, fused=True)
        self.average = {name: t.detach().clone() for name, t in learner.state_dict().items()}
        self.best: dict[str, Tensor] = {}
        self.step, self.epoch, self.score, self.best_epoch = 0, 0, math.nan, 0
        folder.mkdir(parents=True, exist_ok=True)

    def _groups(self) -> list[dict[str, object]]:
        """Decay matrices only: not biases, norms or embeddings of relations."""
        decayed = [p for p in self.learner.parameters() if p.ndim >= 2]
        plain = [p for p in self.learner.parameters() if p.ndim < 2]
        return [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]

    def resume(self) -> bool:
        """Take up a state left by a run of the same configuration; False if there is none."""
        path = self.folder / STATE
        if not path.is_file():
            return False
        groups, values = load_state(path, "the state of a run; delete it to start the run anew")
        if values["config"] != asdict(self.config):
            raise DataError(f"{path}: from a run with other settings; use another folder or delete it")
        try:
            self.learner.load_state_dict(groups["weights"])
        except RuntimeError:
            raise DataError(
                f"{path}: from a run of another network; use another folder or delete it"
            ) from None
        self.average = {name: t.to(self.device) for name, t in groups["average"].items()}
        self.best = groups.get("best", {})
        restore_optimizer(self.optimizer, groups.get("optimizer", {}))
        self.step, self.epoch = values["step"], values["epoch"]
        self.score, self.best_epoch = (
            values["score"] if values["score"] is not None else math.nan,
            values["best_epoch"],
        )
        return True

    def _save(self) -> None:
        save_state(
            self.folder / STATE,
            {
                "weights": self.learner.state_dict(),
                "average": self.average,
                "best": self.best,
                "optimizer": optimizer_tensors(self.optimizer),
            },
            {
                "config": asdict(self.config),
                "step": self.step,
                "epoch": self.epoch,
                "score": None if math.isnan(self.score) else self.score,
                "best_epoch": self.best_epoch,
            },
        )

    def fit(
        self,
        data: TrainingSet,
        molecules: Molecules,
        validate: Callable[[], float] | None = None,
    ) -> Fitted:
        """Train to the end (or until patience runs out) and leave the averaged weights in the learner.

        Parameters
        ----------
        data : TrainingSet
        molecules : ndarray of int64
            Those to train on.
        validate : callable
            Scores the averaged weights after each epoch; higher is better.
        """
        lengths = np.array([len(t) for t in data.tokens])
        steps = self.config.epochs * math.ceil(len(molecules) / self.config.batch_size)
        while self.epoch < self.config.epochs and not self._out_of_patience():
            began = time.monotonic()
            means = self._epoch(data, molecules, lengths, steps)
            self.epoch += 1
            score = math.nan
            if validate is not None:
                score = self._validated(validate)
            self._log(means, score, time.monotonic() - began)
            self._save()  # last: an epoch that is not on disk is done, and logged, again
        self.learner.load_state_dict(self.best if self.best and self.config.patience else self.average)
        return Fitted(self.epoch, self.score, self.best_epoch)

    def _out_of_patience(self) -> bool:
        return bool(self.config.patience) and self.epoch - self.best_epoch >= self.config.patience

    def _epoch(
        self, data: TrainingSet, molecules: Molecules, lengths: npt.NDArray[np.int64], steps: int
    ) -> dict[str, float]:
        seed = self.config.seed * 1_000_003 + self.epoch
        torch.manual_seed(seed)
        order = batches(lengths, molecules, self.config.batch_size, np.random.default_rng(seed))
        self.learner.train()
        sums: dict[str, float] = {}
        for batch in track(order, len(order), f"epoch {self.epoch + 1}/{self.config.epochs}"):
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate * rate(self.step, steps)
            with mixed_precision(self.device):
                losses = self.learner.losses(data, batch, self.config.masked_share)
            total = torch.stack(list(losses.values())).sum()
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.learner.parameters(), 1.0)
            self.optimizer.step()
            self._average()
            self.step += 1
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss.detach())
        return {name: value / len(order) for name, value in sums.items()}

    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, tensor in self.learner.state_dict().items():
                if tensor.is_floating_point():
                    self.average[name].lerp_(tensor, 1 - decay)

    def _validated(self, validate: Callable[[], float]) -> float:
        trained = {name: t.clone() for name, t in self.learner.state_dict().items()}
        self.learner.load_state_dict(self.average)
        self.learner.eval()
        score = validate()
        if not score <= self.score:  # also when there is none yet
            self.score, self.best_epoch = score, self.epoch
            if self.config.patience:
                self.best = {name: t.clone() for name, t in self.average.items()}
        self.learner.load_state_dict(trained)
        return score

    def _log(self, means: dict[str, float], score: float, seconds: float) -> None:
        """Append the epoch to `log.csv` (an epoch done twice, after a kill, is there once) and to TensorBoard."""
        row = {"epoch": self.epoch, "score": score, "seconds": round(seconds, 1), **means}
        path = self.folder / LOG
        rows: list[dict[str, object]] = []
        if path.is_file():
            with path.open(newline="") as file:
                rows = [{**r} for r in csv.DictReader(file) if int(r["epoch"]) < self.epoch]
        rows.append({**row})
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for r in rows for key in r)))
            writer.writeheader()
            writer.writerows(rows)
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(self.folder / "tensorboard")) as board:
            for name, value in {**{f"loss/{k}": v for k, v in means.items()}, "score": score}.items():
                if not math.isnan(value):
                    board.add_scalar(name, value, self.epoch)
