"""Trains what `inference.mixtures` serves: blends' profiles and pairs' distances, on any network's embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from olfactory_transformer.core.errors import DataError
from olfactory_transformer.inference.blends import ROOT, WORDS_POWER, BlendModel
from olfactory_transformer.inference.mixture_file import FORMAT
from olfactory_transformer.inference.mixture_parts import (
    Embed,
    Floats,
    Integers,
    largest_words,
    squared_distances,
)
from olfactory_transformer.inference.mixtures import MixtureModel
from olfactory_transformer.inference.pairs import KERNELS, PairModel, shared_components, word_logits
from olfactory_transformer.model.arrays import Array
from olfactory_transformer.model.mixture import PairNetwork
from olfactory_transformer.train.blend_kernel import KernelConfig, learn_kernel, median_distance, started
from olfactory_transformer.train.figures import INTENSITY, PLEASANTNESS, figures
from olfactory_transformer.train.gaussian_process import coefficients
from olfactory_transformer.train.mixture_data import (
    Blends,
    Pairs,
    leave_molecules_out,
    molecule_sets,
    random_folds,
    read_blends,
    read_pairs,
)
from olfactory_transformer.train.state import save_state


@dataclass(frozen=True, slots=True)
class MixtureConfig:
    """How the models of mixtures are trained.

    Parameters
    ----------
    blends : KernelConfig
    pair_ridge : float
        Noise over the variance that the kernel of pairs explains.
    networks : int
        Attention networks that are averaged; 0: kernel alone.
    steps : int
        Of each network, on a random half of the pairs.
    learning_rate, weight_decay, dropout : float
    study_dropout : float
        How often a network is not told the study, so that it can answer without.
    seed : int
    """

    blends: KernelConfig = field(default_factory=KernelConfig)
    pair_ridge: float = 0.05
    networks: int = 6
    steps: int = 500
    learning_rate: float = 1e-2
    weight_decay: float = 0.1
    dropout: float = 0.3
    study_dropout: float = 0.2
    seed: int = 0


DEFAULTS = MixtureConfig()
AnswerBlends = Callable[[Blends, Integers, Integers], Floats]
AnswerPairs = Callable[[Pairs, Integers, Integers], Floats]
_BLEND_FIGURES = {
    "profile_r": "mean r of profiles",
    "intensity_r": "r intensity",
    "pleasantness_r": "r pleasantness",
}


def _statistics(values: Floats) -> tuple[Floats, Floats]:
    return values.mean(0), values.std(0) + 1e-6


def fit_blends(data: Blends, rows: Integers, config: MixtureConfig = DEFAULTS) -> BlendModel:
    """Return a model of the given rows of `data`."""
    mixtures, single = data.mixtures.rows(rows), data.single[rows]
    if single.all():
        raise DataError("blends: none among the rows to train on")
    values = np.maximum(data.values[rows], 0) ** ROOT
    used = np.unique(mixtures.molecule[mixtures.present])
    mean = np.array([np.nanmean(column) for column in values[~single].T])
    none = np.zeros(0)
    model = BlendModel(
        data.components.key,
        data.components.embedding,
        data.components.words,
        mixtures.molecule,
        mixtures.log_dilution,
        mixtures.present,
        *_statistics(data.components.embedding[used]),
        *_statistics(largest_words(data.components, mixtures, WORDS_POWER)),
        potency=none,
        kernels=none,
        by_words=none,
        coefficients=none,
        mean=mean,
    )
    words = np.array([name not in (*INTENSITY, *PLEASANTNESS) for name in data.columns])
    apart = np.nan_to_num(values[:, words] - mean[words])
    model, noise = learn_kernel(started(_only(model, used), config.blends), apart, single, config.blends)
    kernel = model.kernel(model.components, model.mixtures)
    return replace(model, coefficients=_coefficients(kernel, noise, values - mean, words))


def _only(model: BlendModel, used: Integers) -> BlendModel:
    """Return the model with those molecules alone, renumbered."""
    number = np.zeros(len(model.key), np.int64)
    number[used] = np.arange(len(used))
    return replace(
        model,
        key=model.key[used],
        embedding=model.embedding[used],
        words=model.words[used],
        molecule=np.where(model.present, number[model.molecule], 0),
    )


def _coefficients(kernel: Floats, noise: Floats, values: Floats, words: npt.NDArray[np.bool_]) -> Floats:
    """Return coefficients (R, W); each column is fitted on its known rows, those of the others being 0.

    Words that are rated together are fitted along their principal directions: what most of them say has less noise
    than what a single one does.
    """
    result = np.zeros_like(values)
    known = np.isfinite(values)
    for pattern in np.unique(known, axis=1).T:
        there = (known == pattern[:, None]).all(0)
        inside, own = kernel[np.ix_(pattern, pattern)], noise[pattern]
        groups = [np.flatnonzero(there & words), *np.flatnonzero(there & ~words)[:, None]]
        for columns in (group for group in groups if len(group)):
            there_known = np.ix_(pattern, columns)
            result[there_known] = coefficients(inside, own, values[there_known])
    return result


def fit_pairs(data: Pairs, rows: Integers, config: MixtureConfig = DEFAULTS) -> PairModel:
    """Return a model of the given rows of `data`."""
    components, values = data.components, data.values[rows]
    first, second = data.first.rows(rows), data.second.rows(rows)
    members = [m.membership(len(components.key)) for m in (first, second)]
    used = np.flatnonzero((members[0] + members[1]).any(0))
    arrays: dict[str, Array] = {"key": components.key[used], "mean": np.array([values.mean()])}

    def note(name: str, table: Floats) -> None:
        arrays[f"centre.{name}"], arrays[f"spread.{name}"] = _statistics(table)

    note("embedding", components.embedding[used])
    note("logits", word_logits(components.words[used]))
    note("shared", shared_components(*members))
    studies = tuple(sorted({data.study[i] for i in rows}))
    model = PairModel(arrays, studies)
    features = model.features(components, first, second)
    for name in KERNELS:
        note(name, features[name])
        if name == "molecules":  # shares of molecules are alike in size as they are, and have a sign
            arrays["centre.molecules"], arrays["spread.molecules"] = np.zeros(len(used)), np.ones(len(used))
        arrays[f"anchor.{name}"] = anchor = model.standard(name, features[name])
        arrays[f"median.{name}"] = np.array([median_distance(squared_distances(anchor, anchor)) ** 2])
    arrays["study"] = model.study_of([data.study[i] for i in rows])
    untold = model.kernel(features) + config.pair_ridge * np.eye(len(rows))
    told = untold * (1 + model.same_study(arrays["study"]))
    arrays["coefficients"] = np.stack(
        [np.linalg.solve(inside, values - values.mean()) for inside in (untold, told)], 1
    )
    inputs = model.network_inputs(components, first, second, arrays["study"])
    networks = [
        train_network(inputs, values, len(studies), config, config.seed + i) for i in range(config.networks)
    ]
    if networks:
        states = [network.state_dict() for network in networks]
        arrays |= {
            f"net.{name}": torch.stack([state[name] for state in states]).double().numpy()
            for name in states[0]
        }
    return model


def train_network(
    inputs: tuple[Floats, Floats, Floats, Floats],
    values: Floats,
    studies: int,
    config: MixtureConfig,
    seed: int,
) -> PairNetwork:
    """Train one network; `inputs` as `PairModel.network_inputs` gives them, the study in the last columns."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        molecules, first, second, known = (torch.from_numpy(a).float() for a in inputs)
        truth = torch.from_numpy(values).float()
        network = PairNetwork(molecules.shape[1], known.shape[1], config.dropout)
        optimizer = torch.optim.AdamW(
            network.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=config.steps
        )
        shared = known.shape[1] - studies
        for _ in range(config.steps):
            batch = torch.randperm(len(truth), generator=generator)[: max(1, len(truth) // 2)]
            told = torch.rand(len(batch), 1, generator=generator) >= config.study_dropout
            facts = torch.cat([known[batch, :shared], known[batch, shared:] * told], 1)
            error = network(molecules, first[batch], second[batch], facts) - truth[batch]
            optimizer.zero_grad()
            error.square().mean().backward()
            optimizer.step()
            schedule.step()
    return network.eval()


def score_blends(data: Blends, answer: AnswerBlends, seed: int = 0) -> dict[str, float]:
    """Return held-out figures of blends, over folds of component sets and with molecules left out.

    `profile_r` is the mean over stimuli of r over the words; Intensity and Pleasantness have r over stimuli. What
    they are is said by `figures`, which `olfactory evaluate` scores blends with, too.

    Parameters
    ----------
    answer : callable
        (data, rows to learn from, rows to predict) -> their ratings; `answer_blends`, or another estimator.
    """
    sets = molecule_sets(data.mixtures)
    blends, singles = np.flatnonzero(~data.single), np.flatnonzero(data.single)
    predicted = np.full_like(data.values, np.nan)
    for train, test in random_folds([sets[i] for i in blends], seed):
        predicted[blends[test]] = answer(data, np.r_[blends[train], singles], blends[test])
    at_random = figures("blend", data.columns, data.values[blends], predicted[blends])
    scores = {key: at_random[figure] for key, figure in _BLEND_FIGURES.items() if figure in at_random}
    hard_truth, hard_found = [], []
    for train, test, left in leave_molecules_out([sets[i] for i in blends], seed):
        others = np.array([i for i in singles if not sets[i] & left], np.int64)
        hard_truth.append(data.values[blends[test]])
        hard_found.append(answer(data, np.r_[blends[train], others], blends[test]))
    hard = figures("blend", data.columns, np.concatenate(hard_truth), np.concatenate(hard_found))
    return {**scores, "profile_r_molecules_out": hard[_BLEND_FIGURES["profile_r"]]}


def score_pairs(data: Pairs, answer: AnswerPairs, seed: int = 0) -> dict[str, float]:
    """Return r and RMSE of held-out pairs, means over the folds, at random and with molecules left out.

    Parameters
    ----------
    answer : callable
        (data, rows to learn from, rows to predict) -> their distances; `answer_pairs`, or another estimator.
    """
    a, b = molecule_sets(data.first), molecule_sets(data.second)
    both = [frozenset((x, y)) for x, y in zip(a, b, strict=True)]
    unions = [x | y for x, y in zip(a, b, strict=True)]
    hard = [(train, test) for train, test, _ in leave_molecules_out(unions, seed)]
    scores: dict[str, float] = {}
    for name, folds in (("", list(random_folds(both, seed))), ("_molecules_out", hard)):
        found = []
        for train, test in folds:
            predicted = answer(data, train, test)
            scored = figures("pair", ["distance"], data.values[test][:, None], predicted[:, None])
            found.append((scored["r"], scored["RMSE"]))
        scores |= dict(zip((f"r{name}", f"rmse{name}"), np.mean(found, 0).tolist(), strict=True))
    return scores


def answer_blends(
    data: Blends, learned: Integers, asked: Integers, config: MixtureConfig = DEFAULTS
) -> Floats:
    """Train on some rows of `data` and return what is said of others, (S, W)."""
    return fit_blends(data, learned, config).predict(data.components, data.mixtures.rows(asked))


def answer_pairs(data: Pairs, learned: Integers, asked: Integers, config: MixtureConfig = DEFAULTS) -> Floats:
    """Train on some rows of `data` and return what is said of others, (P,)."""
    sides = data.first.rows(asked), data.second.rows(asked)
    study = [data.study[i] for i in asked]
    return fit_pairs(data, learned, config).predict(data.components, *sides, study)


def train_mixtures(
    data: Path,
    embed: Embed,
    path: Path,
    config: MixtureConfig = DEFAULTS,
    score: bool = True,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[MixtureModel, dict[str, dict[str, float]]]:
    """Train on all blends and pairs of a data folder and write one safetensors file.

    Parameters
    ----------
    data : Path
        With `mixtures/` and `molecules/`.
    embed : callable
        Canonical SMILES -> embeddings (U, E) and word probabilities (U, C) of the network that will serve.
    path : Path
        Written whole or not at all.
    config : MixtureConfig
    score : bool
        Cross-validate as well, which takes ten times as long.
    progress : callable
        Told the name of each stage.

    Returns
    -------
    (MixtureModel, dict)
        What `MixtureModel.load(path)` gives, and the figures by task: `dream2025_profiles`, `pairs`.
    """
    progress("reading mixtures")
    blends, pairs = read_blends(data, embed), read_pairs(data, embed)
    scores: dict[str, dict[str, float]] = {}
    if score:
        progress("scoring blends")
        scores["dream2025_profiles"] = score_blends(
            blends, partial(answer_blends, config=config), config.seed
        )
        progress("scoring pairs")
        scores["pairs"] = score_pairs(pairs, partial(answer_pairs, config=config), config.seed)
    progress("training on all")
    width = (blends.components.embedding.shape[1], blends.components.words.shape[1])
    model = MixtureModel(
        fit_blends(blends, np.arange(len(blends.values)), config),
        fit_pairs(pairs, np.arange(len(pairs.values)), config),
        blends.columns,
        width,
    )
    save_mixtures(model, path, scores)
    return MixtureModel.load(path), scores


def save_mixtures(model: MixtureModel, path: Path, scores: dict[str, dict[str, float]] | None = None) -> None:
    """Write a model as safetensors, real numbers in single precision."""
    groups = {
        "blends": {f.name: _tensor(getattr(model.blends, f.name)) for f in fields(model.blends)},
        "pairs": {name: _tensor(array) for name, array in model.pairs.arrays.items()},
    }
    values = {
        "format": FORMAT,
        "columns": model.columns,
        "studies": model.pairs.studies,
        "width": model.width,
        "figures": scores or {},
    }
    save_state(path, groups, values)
    path.chmod(0o644)  # safetensors leaves its files readable to their owner alone


def _tensor(array: Array) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.float() if tensor.is_floating_point() else tensor
