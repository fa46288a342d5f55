"""What teaching does, the way a user goes: from `enrol` to `Namer.identify`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.enrolment import Enrolled, enrol, place
from olfactory_transformer.inference.nose.evidence import Evidence
from olfactory_transformer.inference.nose.naming import Namer
from olfactory_transformer.inference.nose.plain import PlainNose
from olfactory_transformer.inference.nose.predictor import NosePredictor
from olfactory_transformer.inference.nose.taught import Taught
from olfactory_transformer.model.nose import NoseNetwork
from olfactory_transformer.model.nose_checkpoint import save_nose
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.train.nose.data import FOLDS, GAS, Labelled, read_smellnet, smells_of
from olfactory_transformer.train.nose.held_out import Nose, groups_of, sessions_of
from olfactory_transformer.train.nose.shifts import Session

TAUGHT = (1, 5, 50)
SESSIONS = 3  # of each size: this goes through the whole product, a recording at a time


def heard_in(each: Labelled, session: Session | None) -> Recording:
    """Return the gas channels of a recording as they would have been in a session."""
    gas = session.apply(each.gas) if session else each.gas
    return Recording(tuple(channel(name) for name in GAS), each.recording.times, gas)


def taught_in_session(
    noses: Mapping[int, Nose],
    data: Path,
    fitted: NoseConfig,
    shift: float,
    seed: int,
) -> list[float]:
    """Return the share that is named rightly after each number of `TAUGHT` recordings of the same session.

    One substance a recording, of the fold after the one that is asked about; where not all 50 are taught, they are
    others than the one that is asked about.

    Parameters
    ----------
    noses : mapping of int to Nose
        By the fold that each did not hear.
    data : Path
        Data folder.
    fitted : NoseConfig
        With the sharpness and the unknown of the shipped model.
    shift : float
    seed : int
    """
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        folds = [pool.submit(_of_fold, nose, fold, data, fitted, shift, seed) for fold, nose in noses.items()]
        return np.mean([each.result() for each in folds], axis=0).tolist()


def _of_fold(
    held_out: Nose,
    fold: int,
    data: Path,
    fitted: NoseConfig,
    shift: float,
    seed: int,
) -> list[float]:
    torch.set_num_threads(1)
    recordings = read_smellnet(data)
    right: dict[int, list[bool]] = {count: [] for count in TAUGHT}
    nose = _loaded(held_out, fitted)
    for session in sessions_of(shift, seed)[:SESSIONS]:
        known = [
            enrol(nose, each.substance, [heard_in(each, session)])
            for each in recordings
            if each.fold == (fold + 1) % FOLDS
        ]
        for each in (each for each in recordings if each.fold == fold):
            others = [smell for smell in known if smell.name != each.substance]
            order = np.random.default_rng([seed, fold, len(right[1])]).permutation(len(others))
            for count in TAUGHT:
                taught = known if count > len(others) else [others[i] for i in order[:count]]
                said = _namer(nose, taught).identify(heard_in(each, session))
                right[count].append(said.name == each.substance)
    return [float(np.mean(right[count])) for count in TAUGHT]


def taught_alone(recordings: Sequence[Labelled]) -> tuple[float, float, float]:
    """Return what a plain nose says of ten substances, taught from four recordings each, and of forty others.

    Returns
    -------
    tuple of float
        How often the fifth recording of the ten is nearest to its own; how often it is called `unknown`; and how often
        recordings of the others are.
    """
    nose = PlainNose()
    said = [nose.read(heard_in(each, None)).embeddings for each in recordings]
    right, own, others = [], [], []
    for group in groups_of(smells_of(list(recordings))):
        for fold in range(FOLDS):
            known: dict[str, list[np.ndarray]] = {name: [] for name in group}
            for each, windows in zip(recordings, said, strict=True):
                if each.substance in group and each.fold != fold:
                    known[each.substance].append(place(windows))
            taught = Taught(
                [Enrolled(n, np.stack(rows), nose.version) for n, rows in known.items()], nose.version
            )
            for each, windows in zip(recordings, said, strict=True):
                if each.fold != fold:
                    continue
                chances, unknown = taught.chances(windows)
                called_unknown = bool(unknown > chances.max())
                if each.substance in group:
                    right.append(taught.names[int(chances.argmax())] == each.substance)
                    own.append(called_unknown)
                else:
                    others.append(called_unknown)
    return float(np.mean(right)), float(np.mean(own)), float(np.mean(others))


def _namer(nose: NosePredictor, taught: Sequence[Enrolled]) -> Namer:
    return Namer(nose, lambda: Evidence(nose.config), nose.config, taught, "both")


def _loaded(nose: Nose, fitted: NoseConfig) -> NosePredictor:
    config = replace(nose.network.config, sharpness=fitted.sharpness, unknown=fitted.unknown)
    whole = NoseNetwork(config)
    whole.load_state_dict(nose.network.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        save_nose(whole.eval(), folder, forest=nose.forest)
        return NosePredictor(Path(folder))
