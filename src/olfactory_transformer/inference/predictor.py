"""SMILES in, `ScentPrediction` out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.config import DEFAULT_DILUTION, ModelConfig, ScentPrediction
from olfactory_transformer.core.errors import ModelCorrupt, MoleculeError, NotText
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.runtime import OnnxRuntime, RawOutputs
from olfactory_transformer.model.folder import read_config, resolve, verify
from olfactory_transformer.model.tokenizer import MoleculeTokenizer, MoleculeTokens
from olfactory_transformer.molecules import DEFAULT_LIMITS, Molecule, MoleculeLimits, read_molecule

_FULL_RATING = 100.0  # of the panel's scale


class ScentPredictor:
    """Says what molecules smell of; thread-safe.

    Examples
    --------
    >>> predictor = ScentPredictor.from_pretrained("olfactory-base-v1")
    >>> vanillin = predictor.predict("COc1cc(C=O)ccc1O")
    >>> "vanilla" in vanillin.primary_notes[:3]
    True
    >>> predictor.embed(["CCO", "CCCO"]).shape
    (2, 256)
    """

    def __init__(
        self,
        runtime: OnnxRuntime,
        tokenizer: MoleculeTokenizer,
        config: ModelConfig,
        model_hash: str,
        limits: MoleculeLimits = DEFAULT_LIMITS,
    ) -> None:
        self.runtime, self.tokenizer, self.config = runtime, tokenizer, config
        self.model_hash, self.limits = model_hash, limits
        self._thresholds = np.array(config.thresholds or [0.5] * len(config.words))
        self._intensity = _index(config.ratings, "intensity")
        self._valence = _index(config.ratings, "valence")

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        tokenizer: str | Path | None = None,
        threads: int | None = None,
        limits: MoleculeLimits = DEFAULT_LIMITS,
    ) -> ScentPredictor:
        """Load a model folder, or a bundled model by its name.

        Parameters
        ----------
        model : str or Path
        tokenizer : str, Path or None
            Another folder to take `tokenizer.json` from; it has to be of the same vocabulary.
        threads : int or None
            Of ONNX Runtime; None: as many as affinity and the cgroup's CPU quota allow.
        limits : MoleculeLimits

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
            The folder is not there, not ours, or not whole.
        """
        folder = resolve(model)
        model_hash = verify(folder)
        config = read_config(folder)
        reader = MoleculeTokenizer.from_pretrained(tokenizer or folder)
        runtime = OnnxRuntime(folder / "model.onnx", threads)
        expected = (config.embedding, len(config.words), len(config.ratings), 1, 1)
        if runtime.widths != expected:
            raise ModelCorrupt(f"{folder}: model.onnx gives {runtime.widths}, config.json says {expected}")
        return cls(runtime, reader, config, model_hash, limits)

    @property
    def version(self) -> str:
        """Name and version of the model."""
        return f"{self.config.name}@{self.config.version}"

    @overload  # a str is a sequence of str, too, so this one comes first
    def predict(  # type: ignore[overload-overlap]
        self, smiles: str, dilution: float = ..., *, errors: Literal["raise"] = ...
    ) -> ScentPrediction: ...

    @overload
    def predict(
        self, smiles: Sequence[str], dilution: float = ..., *, errors: Literal["raise"] = ...
    ) -> list[ScentPrediction]: ...

    @overload
    def predict(
        self, smiles: Sequence[str], dilution: float = ..., *, errors: Literal["return"]
    ) -> list[ScentPrediction | MoleculeError]: ...

    def predict(
        self,
        smiles: str | Sequence[str],
        dilution: float = DEFAULT_DILUTION,
        *,
        errors: Literal["raise", "return"] = "raise",
    ) -> ScentPrediction | Sequence[ScentPrediction | MoleculeError]:
        """Predict one molecule, or a list in its order.

        Parameters
        ----------
        smiles : str or sequence of str
        dilution : float
            Volume fraction, 0 < dilution <= 1, at which intensity and pleasantness are meant.
        errors : "raise" or "return"
            What to do with a molecule that cannot be read: raise, or return the error in its place.

        Raises
        ------
        MoleculeError
            A molecule cannot be read (with errors="raise").
        ValueError
            The dilution is not a volume fraction.
        """
        dilution = _volume_fraction(dilution)
        if errors not in ("raise", "return"):
            raise ValueError(f"errors: got {errors!r}, expected 'raise' or 'return'")
        if not isinstance(smiles, Iterable) or isinstance(smiles, bytes):
            raise NotText(f"a value of type {type(smiles).__name__}", "a SMILES as text, or a list of them")
        if isinstance(smiles, str):
            return self.predict_molecules([read_molecule(smiles, self.limits)], dilution)[0]
        read = [self._read(s) for s in smiles]
        if errors == "raise":
            for index, found in enumerate(read):
                if isinstance(found, MoleculeError):
                    found.add_note(f"in item {index} of the list; errors='return' goes on with the others")
                    raise found
        predictions = iter(self.predict_molecules([m for m in read if isinstance(m, Molecule)], dilution))
        return [next(predictions) if isinstance(m, Molecule) else m for m in read]

    def predict_molecules(
        self, molecules: Sequence[Molecule], dilution: float = DEFAULT_DILUTION
    ) -> list[ScentPrediction]:
        """Predict molecules that were read already."""
        tokens = [self.tokenizer(molecule) for molecule in molecules]
        raw = self.runtime.run(tokens, np.full(len(tokens), math.log10(dilution), np.float32))
        chances = self.probabilities(raw)
        return [
            self._prediction(molecule, tokens[i], chances[i], raw, i, dilution)
            for i, molecule in enumerate(molecules)
        ]

    def embed(self, smiles: str | Sequence[str]) -> npt.NDArray[np.float32]:
        """Return coordinates on the odour map: (E,) for one molecule, (M, E) for a list.

        Raises
        ------
        MoleculeError
            A molecule cannot be read.
        """
        texts = [smiles] if isinstance(smiles, str) else list(smiles)
        tokens = [self.tokenizer(read_molecule(text, self.limits)) for text in texts]
        found = self.runtime.run(
            tokens, np.full(len(tokens), math.log10(DEFAULT_DILUTION), np.float32)
        ).embedding
        return found[0] if isinstance(smiles, str) else found

    def probabilities(self, raw: RawOutputs) -> npt.NDArray[np.float64]:
        """Return the words' calibrated probabilities, (M, words)."""
        return _sigmoid(raw.words.astype(np.float64) / self.config.temperature)

    def _read(self, text: str) -> Molecule | MoleculeError:
        try:
            return read_molecule(text, self.limits)
        except MoleculeError as error:
            return error

    def _prediction(
        self,
        molecule: Molecule,
        tokens: MoleculeTokens,
        chances: npt.NDArray[np.float64],
        raw: RawOutputs,
        row: int,
        dilution: float,
    ) -> ScentPrediction:
        notes = np.flatnonzero(chances >= self._thresholds)
        notes = notes[np.argsort(-chances[notes], kind="stable")]
        warnings = [warning.message for warning in molecule.warnings]
        if tokens.unknown:
            warnings.append(f"{tokens.unknown} atom features the model does not know")
        return ScentPrediction(
            primary_notes=tuple(self.config.words[i] for i in notes),
            intensity=_rating(raw, row, self._intensity),
            smiles=molecule.text,
            canonical_smiles=molecule.smiles,
            words=dict(zip(self.config.words, chances.tolist(), strict=True)),
            dilution=dilution,
            pleasantness=_rating(raw, row, self._valence),
            log_inverse_threshold=float(raw.threshold[row, 0]),
            odorless_probability=float(_sigmoid(raw.odorless[row].astype(np.float64))[0]),
            confidence=float(chances[notes].mean() if len(notes) else chances.max()),
            warnings=tuple(warnings),
            model_version=self.version,
        )


def _volume_fraction(dilution: object) -> float:
    """Return a dilution as a plain float; ValueError if it is no volume fraction."""
    try:
        value = float(dilution)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(dilution, bool | str) or not 0 < value <= 1:
        raise ValueError(f"dilution: got {dilution!r}, expected a volume fraction, 0 < dilution <= 1")
    return value


def _index(names: Sequence[str], name: str) -> int | None:
    return names.index(name) if name in names else None


def _rating(raw: RawOutputs, row: int, column: int | None) -> float | None:
    """Return a panel rating on the scale 0-10."""
    if column is None:
        return None
    return float(np.clip(raw.ratings[row, column] / _FULL_RATING * 10, 0, 10))


def _sigmoid(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 0.5 * (1 + np.tanh(x / 2))  # never overflows
