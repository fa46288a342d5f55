"""What networks and forests say of recordings and substances that they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.joined import join
from olfactory_transformer.model.forest import Forest
from olfactory_transformer.model.nose import NoseMember, NoseNetwork
from olfactory_transformer.train.nose.data import FOLDS, Labelled, read_smellnet, smells_of
from olfactory_transformer.train.nose.fit import NoseRecipe, run, together
from olfactory_transformer.train.nose.forest import fit_forest, windows_of
from olfactory_transformer.train.nose.jobs import Job, train_members
from olfactory_transformer.train.nose.shifts import Session, draw

SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0)
SESSIONS = 5  # made-up ones of each size: one alone may be kind or unkind
GROUPS = 5


class Nose(NamedTuple):
    """Networks and a forest that learned from the same recordings."""

    network: NoseNetwork
    forest: Forest


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What a nose that had not heard a recording said of it.

    Parameters
    ----------
    recording : Labelled
    shift : float
        Size of the made-up session that it was heard in; 0: as recorded.
    session : int
        Which of the sessions of that size, from 0.
    smells : tuple of str
        That it knew.
    logits : array (windows, smells), float32
        Log probabilities of network and forest together, a window every `hop` seconds.
    agreement : array (windows,), float64
        How probable it is that both mean the same smell.
    alone : array (windows, smells), float32
        Log probabilities of the network alone.
    embeddings : array (windows, embedding), float32
    """

    recording: Labelled
    shift: float
    session: int
    smells: tuple[str, ...]
    logits: NDArray[np.float32]
    agreement: NDArray[np.float64]
    alone: NDArray[np.float32]
    embeddings: NDArray[np.float32]

    @property
    def place(self) -> int:
        """Return the place of the right answer, -1 if the nose does not know the substance."""
        known = self.recording.substance in self.smells
        return self.smells.index(self.recording.substance) if known else -1


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """All of it.

    Parameters
    ----------
    recordings : list of Heard
        Each recording in every session of each size, by the nose that learned from the other folds.
    substances : list of Heard
        By the noses that learned without a fifth of the substances, as recorded and under a shift of 1: all
        recordings of those, and of the substances that they knew the recordings of fold 0, not heard either.
    noses : dict of int to Nose
        By the fold that each did not hear.
    """

    recordings: list[Heard]
    substances: list[Heard]
    noses: dict[int, Nose]


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
    """Train networks and a forest for each fold and each group of substances, and hear what they had not.

    Forests are grown anew each time, which takes seconds.
    """
    recordings = read_smellnet(data)
    groups = groups_of(smells_of(recordings))
    jobs = [Job(fold, (), seed + member) for fold in range(FOLDS) for member in range(members)]
    jobs += [Job(0, group, seed + member) for group in groups for member in range(members)]
    networks: dict[tuple[int | None, tuple[str, ...]], tuple[list[NoseMember], NoseConfig]] = {}
    for job, member, config in train_members(data, out, jobs, base, recipe, processes, tell):
        networks.setdefault((job.fold, job.without), ([], config))[0].append(member)
    by_fold, by_group, heard_by = [], [], {}
    for (fold, without), (trained, config) in networks.items():
        learned = [each for each in recordings if Job(fold, without, seed).keeps(each)]
        nose = Nose(together(trained, config), fit_forest(learned, config, seed, processes))
        if without:
            unseen = [each for each in recordings if each.substance in without or each.fold == fold]
            for shift in (0.0, 1.0):
                by_group += hear(nose, unseen, shift, seed)
        elif fold is not None:
            heard_by[fold] = nose
            unseen = [each for each in recordings if each.fold == fold]
            for shift in SHIFTS:
                by_fold += hear(nose, unseen, shift, seed)
    return HeldOut(by_fold, by_group, heard_by)


def sessions_of(shift: float, seed: int) -> list[Session | None]:
    """Return the made-up sessions of a size; of 0 there is one, in which nothing changes."""
    if not shift:
        return [None]
    return [draw(shift, 1, np.random.default_rng([seed, number])) for number in range(SESSIONS)]


def hear(nose: Nose, recordings: Sequence[Labelled], shift: float, seed: int) -> list[Heard]:
    """Let a nose hear recordings in each session of a size: all of them in the same, as those of another day are."""
    config = nose.network.config
    heard = []
    for number, session in enumerate(sessions_of(shift, seed)):
        for each in recordings:
            gas = session.apply(each.gas) if session else each.gas
            said = windows_of(gas, config)
            alone, embeddings = run(nose.network, said)
            logits, agreement = join(alone, said, nose.forest)
            heard.append(Heard(each, shift, number, config.smells, logits, agreement, alone, embeddings))
    return heard
