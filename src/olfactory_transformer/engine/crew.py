"""The processes of one model."""

from __future__ import annotations

import asyncio
from pathlib import Path

from olfactory_transformer.core.errors import OlfactoryError
from olfactory_transformer.engine.contract import ModelInfo
from olfactory_transformer.engine.line import Line
from olfactory_transformer.engine.slot import Pace, Slot, Work
from olfactory_transformer.engine.worker import WorkerOptions
from olfactory_transformer.model.folder import read_config, resolve, verify
from olfactory_transformer.molecules import DEFAULT_LIMITS


def model_info(folder: Path) -> ModelInfo:
    """Return what a folder holds, having checked every file; ModelError if it cannot be used."""
    model_hash = verify(folder)
    config = read_config(folder)
    return ModelInfo(
        name=config.name,
        version=config.version,
        hash=model_hash,
        words=config.words,
        ratings=config.ratings,
        width=config.width,
        layers=config.layers,
        heads=config.heads,
        feedforward=config.feedforward,
        embedding=config.embedding,
        limits=DEFAULT_LIMITS,
        accuracy=config.auroc or None,
    )


def located(model: str | Path) -> Path:
    """Return a model's real folder, so that a symbolic link may be changed while it is loaded."""
    return resolve(model).resolve()


class Crew:
    """Processes that serve one model; `start` begins them, `open` gives them work.

    Parameters
    ----------
    info : ModelInfo
    options : WorkerOptions
    size : int
        Number of processes.
    """

    def __init__(self, info: ModelInfo, options: WorkerOptions, size: int) -> None:
        self.info, self._options, self.size = info, options, size
        self._slots: list[Slot] = []
        self._opened = asyncio.Event()

    def start(self, line: Line, pace: Pace, work: Work) -> None:
        """Begin the processes."""
        self._slots = [
            Slot(self._options, self.info.hash, line, pace, work, self._opened) for _ in range(self.size)
        ]

    def open(self) -> None:
        """Let them take work."""
        self._opened.set()

    async def settled(self) -> None:
        """Wait until each process is warm, or has failed to start once."""
        for slot in self._slots:
            await slot.settled.wait()

    @property
    def ready(self) -> int:
        """Number of processes that are warm and were heard of lately."""
        return sum(slot.ready for slot in self._slots)

    @property
    def idle(self) -> bool:
        """Whether none has a batch."""
        return not any(slot.busy for slot in self._slots)

    @property
    def error(self) -> OlfactoryError | None:
        """Why a process does not start."""
        return next((slot.error for slot in self._slots if slot.error is not None), None)

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [pid for slot in self._slots if (pid := slot.pid) is not None]

    async def retire(self) -> None:
        """Let each process finish its batch, and end it."""
        await asyncio.gather(*(slot.retire() for slot in self._slots))

    async def kill(self) -> None:
        """End the processes at once; what they were at is done by others, if there are."""
        await asyncio.gather(*(slot.kill() for slot in self._slots))
