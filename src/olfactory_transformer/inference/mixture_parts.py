"""Stimuli of several molecules as arrays, and how alike two of them are.

Shapes: U molecules, E embedding, C words, S stimuli, K components of the largest of them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.errors import DataError, shown
from olfactory_transformer.molecules import read_molecule

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
# Canonical SMILES -> embeddings (U, E) and probabilities of the words (U, C), of any network.
Embed = Callable[[Sequence[str]], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]
_AT_ONCE = 512  # components, counted with the room left in the rows: 16 MB against 4,000 of the rated stimuli


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Molecules as a network sees them.

    Parameters
    ----------
    key : ndarray of int64, (U,)
        Of the canonical SMILES; see `molecule_key`.
    embedding : ndarray (U, E)
    words : ndarray (U, C)
        Probabilities, 0-1.
    """

    key: Integers
    embedding: Floats
    words: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """Stimuli of one component or more.

    Parameters
    ----------
    molecule : ndarray of int64, (S, K)
        Row of the component in a `Components`; 0 where absent.
    log_dilution : ndarray (S, K)
        log10 of the volume fraction; 0 where absent.
    present : ndarray of bool, (S, K)
    """

    molecule: Integers
    log_dilution: Floats
    present: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.molecule)

    def rows(self, chosen: Integers) -> Mixtures:
        """Return some of the stimuli."""
        return Mixtures(self.molecule[chosen], self.log_dilution[chosen], self.present[chosen])

    def membership(self, molecules: int) -> Floats:
        """Return (S, U): 1 where the molecule is in the stimulus."""
        table = np.zeros((len(self), molecules))
        table[np.nonzero(self.present)[0], self.molecule[self.present]] = 1
        return table


def molecule_key(smiles: str) -> int:
    """Return a 63-bit number that stands for a canonical SMILES.

    >>> molecule_key("CCO") == molecule_key("CCO") != molecule_key("CCN")
    True
    """
    return int.from_bytes(hashlib.sha256(smiles.encode()).digest()[:8], "big") >> 1


def gather(embed: Embed, stimuli: Sequence[Sequence[tuple[str, float]]]) -> tuple[Components, Mixtures]:
    """Read the stimuli and embed every molecule of them once.

    Parameters
    ----------
    embed : callable
    stimuli : sequence of sequences of (SMILES, dilution)
        Dilution as volume fraction, 0 < dilution <= 1.

    Raises
    ------
    DataError
        A stimulus that is no list or has no components, a component that is no pair, a dilution out of range, or a
        network that returns other shapes or NaN.
    MoleculeError
        A SMILES that cannot be read.
    """
    told = listed(stimuli, "stimuli", "stimuli")
    listing = [listed(parts, f"stimulus {row + 1}", "components") for row, parts in enumerate(told)]
    index: dict[str, int] = {}
    canonical: dict[str, str] = {}
    width = max(map(len, listing), default=1)
    molecule = np.zeros((len(listing), width), np.int64)
    log_dilution = np.zeros((len(listing), width))
    present = np.zeros((len(listing), width), np.bool_)
    for row, parts in enumerate(listing):
        if not parts:
            raise DataError(f"stimulus {row + 1}: no components")
        for column, part in enumerate(parts):
            text, dilution = _component(part, f"stimulus {row + 1}")
            if not isinstance(text, str) or text not in canonical:
                canonical[text] = read_molecule(text).smiles
            molecule[row, column] = index.setdefault(canonical[text], len(index))
            log_dilution[row, column] = np.log10(dilution)
            present[row, column] = True
    embedding, words = (np.asarray(a, np.float64) for a in embed(list(index)))
    if not (len(embedding) == len(words) == len(index) and embedding.ndim == words.ndim == 2):
        shapes = f"{embedding.shape} and {words.shape}"
        raise DataError(f"embed: got arrays of {shapes}, expected ({len(index)}, E) and ({len(index)}, C)")
    if not (np.isfinite(embedding).all() and np.isfinite(words).all()):
        raise DataError("embed: got NaN or infinity")
    keys = np.array([molecule_key(smiles) for smiles in index], np.int64)
    return Components(keys, embedding, words), Mixtures(molecule, log_dilution, present)


def listed(value: Any, where: str, of: str) -> list[Any]:
    """Return as a list what a caller passed as one; a text is none, or each of its letters would be a molecule.

    Raises
    ------
    DataError
        It is none; `where` and `of` say of what it should have been one.

    Examples
    --------
    >>> listed(("CCO", "CCS"), "mixture", "SMILES")
    ['CCO', 'CCS']
    """
    if not isinstance(value, (str, bytes)):
        try:
            return list(value)
        except TypeError:
            pass
    raise DataError(f"{where}: got {shown(value)}, expected a list of {of}")


def _component(part: Any, where: str) -> tuple[Any, float]:
    """Return SMILES and dilution of a component, the dilution checked."""
    try:
        text, given = listed(part, where, "SMILES and dilution")
    except ValueError:  # not two; DataError is one, too
        raise DataError(f"{where}: component is {shown(part)}, expected (SMILES, dilution)") from None
    try:
        dilution = math.nan if isinstance(given, (str, bytes)) else float(given)
    except (TypeError, ValueError, OverflowError):
        dilution = math.nan
    if not 0 < dilution <= 1:
        got = shown(given) if math.isnan(dilution) else dilution
        raise DataError(f"{where}: dilution is {got}, expected 0 < dilution <= 1")
    return text, dilution


def split(mixtures: Mixtures) -> tuple[Mixtures, Mixtures]:
    """Return the first and the second half of the stimuli."""
    half = np.arange(len(mixtures) // 2)
    return mixtures.rows(half), mixtures.rows(half + len(half))


def blocks(
    components: Components, *sides: Mixtures
) -> Iterator[tuple[slice, Components, tuple[Mixtures, ...]]]:
    """Yield the stimuli in order, few enough at a time for matrices over them to stay small.

    Parameters
    ----------
    components : Components
    sides : Mixtures, one or more, of as many stimuli each

    Yields
    ------
    (slice, Components, tuple of Mixtures)
        Which rows, and these alone: no molecule or column that only others need.
    """
    sizes = np.max([side.present.sum(1) for side in sides], axis=0) * len(sides)
    start, largest = 0, 0
    for row, size in enumerate(sizes.tolist()):
        largest = max(largest, size)
        if row > start and (row + 1 - start) * largest > _AT_ONCE:
            yield _block(components, sides, slice(start, row))
            start, largest = row, size
    if len(sizes):
        yield _block(components, sides, slice(start, len(sizes)))


def _block(
    components: Components, sides: tuple[Mixtures, ...], rows: slice
) -> tuple[slice, Components, tuple[Mixtures, ...]]:
    chosen = [side.rows(np.arange(rows.start, rows.stop)) for side in sides]
    used = np.unique(np.concatenate([side.molecule[side.present] for side in chosen]))
    number = np.zeros(len(components.key), np.int64)
    number[used] = np.arange(len(used))
    narrow = []
    for side in chosen:
        columns = side.present.any(0)
        there = side.present[:, columns]
        molecule = np.where(there, number[side.molecule[:, columns]], 0)
        narrow.append(Mixtures(molecule, side.log_dilution[:, columns], there))
    alone = Components(components.key[used], components.embedding[used], components.words[used])
    return rows, alone, tuple(narrow)


def squared_distances(a: Floats, b: Floats) -> Floats:
    """Return squared Euclidean distances of all rows, (A, D) and (B, D) -> (A, B)."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)  # type: ignore[no-any-return]


def weights(mixtures: Mixtures, power: float, potency: Floats | None = None) -> Floats:
    """Return the components' shares, (S, K): volume fraction ** power, scaled to the sum 1.

    Parameters
    ----------
    mixtures : Mixtures
    power : float
    potency : ndarray (U,) or None
        Natural logarithm of how much each molecule counts at the same dilution.
    """
    log_share = mixtures.log_dilution * (power * np.log(10))
    if potency is not None:
        log_share = log_share + potency[mixtures.molecule]
    log_share = np.where(mixtures.present, log_share, -np.inf)
    share = np.exp(log_share - log_share.max(1, keepdims=True))
    return share / share.sum(1, keepdims=True)  # type: ignore[no-any-return]


def largest_words(components: Components, mixtures: Mixtures, power: float) -> Floats:
    """Return (S, C): each word's largest probability over the components, weaker for the more dilute."""
    share = weights(mixtures, power)
    strength = np.sqrt(share / share.max(1, keepdims=True))[..., None]  # 1 for the least dilute
    return (components.words[mixtures.molecule] * strength).max(1)  # type: ignore[no-any-return]


def inner(molecules: Floats, a: Mixtures, b: Mixtures, shares: tuple[Floats, Floats], decay: float) -> Floats:
    """Return the inner products of stimuli as weighted sums over pairs of their components.

    Parameters
    ----------
    molecules : ndarray (U, V)
        Similarity of the molecules of `a` and of `b`.
    a, b : Mixtures, of S and T stimuli
    shares : (ndarray (S, K), ndarray (T, K))
        Weights of their components.
    decay : float
        How fast the same molecule becomes another stimulus, per power of ten of dilution.

    Returns
    -------
    ndarray (S, T)
    """
    left, right = a.present, b.present
    between = molecules[a.molecule[left]][:, b.molecule[right]]
    step = np.abs(a.log_dilution[left][:, None] - b.log_dilution[right][None])
    between = between * np.exp(-decay * step)
    between *= shares[0][left][:, None] * shares[1][right][None]
    starts = [np.r_[0, np.cumsum(side.sum(1))[:-1]] for side in (left, right)]
    return np.add.reduceat(np.add.reduceat(between, starts[0], axis=0), starts[1], axis=1)


def own_inner(molecules: Floats, a: Mixtures, share: Floats, decay: float) -> Floats:
    """Return the inner product of each stimulus with itself, (S,); `molecules` is (U, U), `share` (S, K)."""
    between = molecules[a.molecule[:, :, None], a.molecule[:, None, :]]  # (S, K, K)
    step = np.abs(a.log_dilution[:, :, None] - a.log_dilution[:, None, :])
    return np.einsum("sk,skl,sl->s", share, between * np.exp(-decay * step), share)  # type: ignore[no-any-return]
