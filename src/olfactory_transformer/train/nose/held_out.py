"""What networks say of recordings and substances that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.model.nose import NoseMember, NoseNetwork
from olfactory_transformer.sensors.features import features_of
from olfactory_transformer.train.nose.data import FOLDS, Labelled, read_smellnet, smells_of
from olfactory_transformer.train.nose.fit import NoseRecipe, run, together
from olfactory_transformer.train.nose.jobs import Job, train_members
from olfactory_transformer.train.nose.shifts import Session, draw

SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0)
SESSIONS = 5  # made-up ones of each size: one alone may be kind or unkind
GROUPS = 5
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a network that had not seen a recording said of it.

    Parameters
    ----------
    recording : Labelled
    shift : float
        Size of the made-up session that it was heard in; 0: as recorded.
    session : int
        Which of the sessions of that size, from 0.
    smells : tuple of str
        That the network knew.
    logits : array (windows, smells), float32
        Log probabilities, a window every `hop` seconds.
    embeddings : array (windows, embedding), float32
    """

    recording: Labelled
    shift: float
    session: int
    smells: tuple[str, ...]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    @property
    def place(self) -> int:
        """Return the place of the right answer, -1 if the network does not know the substance."""
        known = self.recording.substance in self.smells
        return self.smells.index(self.recording.substance) if known else -1


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """All of it.

    Parameters
    ----------
    recordings : list of Heard
        Each recording in every session of each size, by the network that learned from the other folds.
    substances : list of Heard
        By the networks that learned without a fifth of the substances, as recorded and under a shift of 1: all
        recordings of those, and of the substances that they knew the recordings of fold 0, not heard either.
    networks : dict of int to NoseNetwork
        By the fold that each did not hear.
    """

    recordings: list[Heard]
    substances: list[Heard]
    networks: dict[int, NoseNetwork]


def groups_of(substances: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the substances in five groups, each to be left out once.

    >>> groups_of(["a", "b", "c", "d", "e", "f"])[0]
    ('a', 'f')
    """
    return [tuple(substances[start::GROUPS]) for start in range(GROUPS)]


def hold_out(
    data: Path,
    out: Path,
    base: NoseConfig,
    recipe: NoseRecipe,
    members: int,
    seed: int,
    processes: int,
    tell: Callable[[str], None],
) -> HeldOut:
    """Train the networks of each fold and each group of substances, and hear what they had not."""
    recordings = read_smellnet(data)
    groups = groups_of(smells_of(recordings))
    jobs = [Job(fold, (), seed + member) for fold in range(FOLDS) for member in range(members)]
    jobs += [Job(0, group, seed + member) for group in groups for member in range(members)]
    networks: dict[tuple[int | None, tuple[str, ...]], tuple[list[NoseMember], NoseConfig]] = {}
    for job, member, config in train_members(data, out, jobs, base, recipe, processes, tell):
        networks.setdefault((job.fold, job.without), ([], config))[0].append(member)
    by_fold, by_group, heard_by = [], [], {}
    for (fold, without), (trained, config) in networks.items():
        network = together(trained, config)
        if without:
            unseen = [each for each in recordings if each.substance in without or each.fold == fold]
            for shift in (0.0, 1.0):
                by_group += hear(network, unseen, shift, seed)
        elif fold is not None:
            heard_by[fold] = network
            unseen = [each for each in recordings if each.fold == fold]
            for shift in SHIFTS:
                by_fold += hear(network, unseen, shift, seed)
    return HeldOut(by_fold, by_group, heard_by)


def sessions_of(shift: float, seed: int) -> list[Session | None]:
    """Return the made-up sessions of a size; of 0 there is one, in which nothing changes."""
    if not shift:
        return [None]
    return [draw(shift, 1, np.random.default_rng([seed, number])) for number in range(SESSIONS)]


def hear(network: NoseNetwork, recordings: Sequence[Labelled], shift: float, seed: int) -> list[Heard]:
    """Let a network hear recordings in each session of a size: all of them in the same, as those of another day are."""
    config, floors = network.config, np.array(network.config.floors)
    window, hop = round(config.window), round(config.hop)
    heard = []
    for number, session in enumerate(sessions_of(shift, seed)):
        for each in recordings:
            gas = session.apply(each.gas) if session else each.gas
            windows = np.stack([gas[at : at + window] for at in range(0, len(gas) - window + 1, hop)])
            said = [
                run(network, features_of(windows[i : i + _BATCH], floors))
                for i in range(0, len(windows), _BATCH)
            ]
            logits, embeddings = (np.concatenate(part) for part in zip(*said, strict=True))
            heard.append(Heard(each, shift, number, config.smells, logits, embeddings))
    return heard
