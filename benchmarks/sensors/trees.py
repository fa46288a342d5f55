"""Extra trees on statistics of windows: the floor that the sensor transformer has to beat, in the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier

from olfactory_transformer.sensors.features import LAGS, features_of
from olfactory_transformer.train.nose.data import FLOORS, FOLDS, Labelled
from olfactory_transformer.train.nose.shifts import Session

WINDOW, HOP = 100, 25
_TREES = 300
Array = NDArray[np.float64]
Read = Callable[[Labelled], Array]


def everything(each: Labelled) -> Array:
    """Return statistics of all twelve channels' levels and differences, a row a window."""
    values = np.nan_to_num(each.recording.values.astype(np.float64))
    rows = []
    for part in _windows(values):
        row = [part.mean(0), part.std(0), part.min(0), part.max(0)]
        for lag in LAGS:
            step = part[lag:] - part[:-lag]
            row += [step.mean(0), step.std(0)]
        rows.append(np.concatenate(row))
    return np.stack(rows)


def moves(each: Labelled) -> Array:
    """Return what the network's tokens of channels have: relative and differenced gas channels alone."""
    said = features_of(np.stack(_windows(each.gas)), np.array(FLOORS))
    return said.channels.reshape(len(said.channels), -1).astype(np.float64)


def ratios(each: Labelled) -> Array:
    """Return all that the network has: `moves`, and the ratios of the levels."""
    said = features_of(np.stack(_windows(each.gas)), np.array(FLOORS))
    return said.flat.astype(np.float64)


def levels(each: Labelled) -> Array:
    """Return `ratios`, and statistics of the levels of the gas channels, which the network is never given."""
    logs = np.log(np.stack(_windows(each.gas)) + FLOORS)
    return np.concatenate([ratios(each), logs.mean(1), logs.std(1), logs.min(1), logs.max(1)], axis=1)


def room(each: Labelled) -> Array:
    """Return temperature, pressure, humidity and altitude of the whole recording, one row."""
    names = each.recording.names
    places = [names.index(name) for name in ("Temperature", "Pressure", "Humidity", "Altitude")]
    return np.median(each.recording.values[:, places], axis=0, keepdims=True).astype(np.float64)


def trees(
    recordings: Sequence[Labelled], read: Read, sessions: Sequence[Session | None] = (None,)
) -> list[tuple[float, float, float]]:
    """Return top-1 and top-5 of recordings and top-1 of windows in each session, by trees that saw the other folds.

    What they are asked about was recorded in the session; what they learned from was in none.
    """
    said = [read(each) for each in recordings]
    asked = [
        [read(replace(each, gas=session.apply(each.gas))) for each in recordings] if session else said
        for session in sessions
    ]
    names = sorted({each.substance for each in recordings})
    own = np.array([names.index(each.substance) for each in recordings])
    ranks: list[list[int]] = [[] for _ in sessions]
    windows: list[list[bool]] = [[] for _ in sessions]
    for fold in range(FOLDS):
        train = [i for i, each in enumerate(recordings) if each.fold != fold]
        tests = [i for i, each in enumerate(recordings) if each.fold == fold]
        forest = ExtraTreesClassifier(_TREES, n_jobs=-1, random_state=0)
        labels = np.repeat(own[train], [len(said[i]) for i in train])
        forest.fit(np.concatenate([said[i] for i in train]), labels)
        ends = np.cumsum([len(said[i]) for i in tests])[:-1]
        for session, heard in enumerate(asked):
            # All at once: a call of a forest takes longer than its work for one recording.
            chances = np.split(forest.predict_proba(np.concatenate([heard[i] for i in tests])), ends)
            for i, each in zip(tests, chances, strict=True):
                windows[session] += (each.argmax(1) == own[i]).tolist()
                mean = np.log(each + 0.01).mean(0)
                ranks[session].append(int((mean > mean[own[i]]).sum()))
    return [
        (float(np.mean(np.array(rank) < 1)), float(np.mean(np.array(rank) < 5)), float(np.mean(right)))
        for rank, right in zip(ranks, windows, strict=True)
    ]


def nearest_room(recordings: Sequence[Labelled]) -> float:
    """Return how often the recording with the most similar room, of another fold, is of the same substance."""
    said = np.concatenate([room(each) for each in recordings])
    said = (said - said.mean(0)) / said.std(0)
    folds = np.array([each.fold for each in recordings])
    right = []
    for i, each in enumerate(recordings):
        far = np.where(folds == folds[i], np.inf, np.square(said - said[i]).sum(1))
        right.append(recordings[int(far.argmin())].substance == each.substance)
    return float(np.mean(right))


def _windows(values: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    edges = range(0, len(values) - WINDOW + HOP, HOP)
    return [values[start : start + WINDOW] for start, _ in pairwise(edges)]
