"""Training many members, a process a core; a killed run goes on with those that are not done."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.nose import NoseMember
from olfactory_transformer.train.nose.data import Labelled, read_smellnet
from olfactory_transformer.train.nose.fit import NoseRecipe, config_for, fit_member

# What a member's weights depend on; the rest of a config is fitted afterwards.
_NETWORK = ("channels", "floors", "smells", "width", "layers", "heads", "embedding", "dropout")


@dataclass(frozen=True, slots=True)
class Job:
    """One member to train.

    Parameters
    ----------
    fold : int or None
        Recordings of this fold are held out; None: of none.
    without : tuple of str
        Substances that are held out whole.
    seed : int
    """

    fold: int | None
    without: tuple[str, ...]
    seed: int

    def keeps(self, recording: Labelled) -> bool:
        """Say whether it learns from a recording."""
        return recording.fold != self.fold and recording.substance not in self.without


def member_path(out: Path, job: Job, config: NoseConfig, recipe: NoseRecipe) -> Path:
    """Return where a job's weights go; another recipe's go elsewhere."""
    network = [getattr(config, name) for name in _NETWORK]
    said = json.dumps([asdict(job), network, asdict(recipe)], sort_keys=True)
    left = "all" if job.fold is None else f"fold{job.fold}"
    parted = f"-without-{hashlib.sha256(repr(job.without).encode()).hexdigest()[:6]}" if job.without else ""
    return out / f"{left}{parted}-{job.seed}-{hashlib.sha256(said.encode()).hexdigest()[:8]}.safetensors"


def train_members(
    data: Path,
    out: Path,
    jobs: Sequence[Job],
    base: NoseConfig,
    recipe: NoseRecipe,
    processes: int,
    tell: Callable[[str], None],
) -> Iterator[tuple[Job, NoseMember, NoseConfig]]:
    """Train what is not yet trained, then yield every job's member in the order of the jobs.

    Parameters
    ----------
    data : Path
        Data folder.
    out : Path
        Where the members' weights are kept.
    jobs : sequence of Job
    base : NoseConfig
        Size and name; channels and smells are set by the recordings.
    recipe : NoseRecipe
    processes : int
        Members at a time, each on one core.
    tell : callable
        Told a line a finished member.
    """
    out.mkdir(parents=True, exist_ok=True)
    recordings = read_smellnet(data)
    configs = [config_for([each for each in recordings if job.keeps(each)], base) for job in jobs]
    paths = [member_path(out, job, config, recipe) for job, config in zip(jobs, configs, strict=True)]
    open_jobs = [place for place, path in enumerate(paths) if _loaded(path, configs[place]) is None]
    if len(jobs) > len(open_jobs):
        tell(f"{len(jobs) - len(open_jobs)} of {len(jobs)} members were there")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(processes, 1), mp_context=context, initializer=_one_thread) as pool:
        running = {
            pool.submit(_train, data, jobs[place], configs[place], recipe, paths[place]): place
            for place in open_jobs
        }
        try:
            for done, future in enumerate(as_completed(running), 1):
                loss = future.result()
                tell(f"{done} of {len(open_jobs)}: {paths[running[future]].name}, loss {loss:.3f}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for job, config, path in zip(jobs, configs, paths, strict=True):
        member = _loaded(path, config)
        assert member is not None, path
        yield job, member, config


def _one_thread() -> None:
    # A member is too small for two: they would wait for each other most of the time.
    torch.set_num_threads(1)


def _train(data: Path, job: Job, config: NoseConfig, recipe: NoseRecipe, path: Path) -> float:
    recordings = [each for each in read_smellnet(data) if job.keeps(each)]
    losses: list[float] = []
    member = fit_member(recordings, config, recipe, job.seed, lambda step, loss: losses.append(loss))
    tensors = {name: tensor.contiguous() for name, tensor in member.state_dict().items()}
    temporary = path.with_suffix(f".{os.getpid()}.part")
    temporary.write_bytes(save(tensors))
    temporary.replace(path)
    return losses[-1]


def _loaded(path: Path, config: NoseConfig) -> NoseMember | None:
    """Return a finished member; None if it is missing or cut off."""
    if not path.is_file():
        return None
    member = NoseMember(config)
    try:
        member.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError):
        return None
    return member.eval()
