"""SMILES in, `ScentPrediction` out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from olfactory_transformer.core.applicability import Applicability, assess
from olfactory_transformer.core.config import DEFAULT_DILUTION, ModelConfig, ScentPrediction
from olfactory_transformer.core.errors import ModelCorrupt, MoleculeError, NoReference, NotText
from olfactory_transformer.inference import statements
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.explain import Explanation, explain
from olfactory_transformer.inference.runtime import OnnxRuntime, RawOutputs
from olfactory_transformer.inference.similar import Neighbour, nearest
from olfactory_transformer.model.folder import read_config, resolve, verify
from olfactory_transformer.model.reference import Reference, read_reference, unit
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
        reference: Reference | None = None,
    ) -> None:
        self.runtime, self.tokenizer, self.config = runtime, tokenizer, config
        self.model_hash, self.limits, self.reference = model_hash, limits, reference
        self._intensity = _index(config.ratings, "intensity")
        self._valence = _index(config.ratings, "valence")

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = DEFAULT_MODEL,
        *,
        tokenizer: str | Path | None = None,
        threads: int | None = None,
        device: str = "cpu",
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
        device : "cpu", "cuda" or "auto"
            Where the network runs; "auto": on a GPU if ONNX Runtime can use one.
        limits : MoleculeLimits

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
            The folder is not there, not ours, or not whole.
        DeviceError
            This ONNX Runtime has no such device.
        """
        folder = resolve(model)
        model_hash = verify(folder)
        config = read_config(folder)
        reader = MoleculeTokenizer.from_pretrained(tokenizer or folder)
        runtime = OnnxRuntime(folder / "model.onnx", threads, device)
        columns = (config.words, config.isomeric, config.ratings, config.profile, config.atlas)
        expected = (config.embedding, *map(len, columns))
        if runtime.widths[: len(expected)] != expected:
            raise ModelCorrupt(f"{folder}: model.onnx gives {runtime.widths}, config.json says {expected}")
        return cls(runtime, reader, config, model_hash, limits, read_reference(folder, config.embedding))

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
        self, molecules: Sequence[Molecule], dilution: float | Sequence[float] = DEFAULT_DILUTION
    ) -> list[ScentPrediction]:
        """Predict molecules that were read already, all at one dilution or each at its own."""
        tokens = [self.tokenizer(molecule) for molecule in molecules]
        each = [dilution] * len(tokens) if isinstance(dilution, float | int) else list(dilution)
        raw = self.runtime.run(tokens, np.array([math.log10(d) for d in each], np.float32))
        chances = self.probabilities(raw)
        applicability = self.applicability(molecules, raw)
        return [
            self._prediction(molecule, tokens[i], chances[i], raw, i, each[i], applicability[i])
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
        found = self.embed_molecules([read_molecule(text, self.limits) for text in texts])
        return found[0] if isinstance(smiles, str) else found

    def embed_molecules(self, molecules: Sequence[Molecule]) -> npt.NDArray[np.float32]:
        """Return coordinates on the odour map, (M, E), of molecules that were read already."""
        tokens = [self.tokenizer(molecule) for molecule in molecules]
        dilutions = np.full(len(tokens), math.log10(DEFAULT_DILUTION), np.float32)
        return self.runtime.run(tokens, dilutions).embedding

    def similar(
        self, smiles: str, count: int = 10, library: Sequence[Molecule] | None = None
    ) -> list[Neighbour]:
        """Return the molecules that lie nearest to one on the odour map, nearest first.

        Parameters
        ----------
        smiles : str
        count : int
        library : sequence of Molecule or None
            Those to search (`read_molecule` makes them); None: those that the model learned from and may name.

        Raises
        ------
        MoleculeError
            The molecule cannot be read.
        NoReference
            There is no library, and the model does not bring one.
        ValueError
            The count is less than 1.
        """
        if count < 1:
            raise ValueError(f"count: got {count}, expected at least 1")
        molecule = read_molecule(smiles, self.limits)
        if library is not None:
            names, vectors = [known.text for known in library], unit(self.embed_molecules(library))
        elif self.reference is None:
            raise NoReference(f"{self.version} has no reference index; expected a library to search")
        else:
            rows = self.reference.named
            names, vectors = [self.reference.smiles[i] for i in rows], self.reference.vectors[rows]
        return nearest(unit(self.embed_molecules([molecule]))[0], vectors, names, count)

    def applicability(self, molecules: Sequence[Molecule], raw: RawOutputs) -> Sequence[Applicability | None]:
        """Return whether the model may be asked about each molecule; None where it has no reference index."""
        if self.reference is None:
            return [None] * len(molecules)
        distance = self.reference.distance(raw.embedding)
        percentile = self.reference.percentile(distance)
        boiling = raw.volatility[:, :1].tolist()
        return [
            assess(self.reference.domain, molecule.heavy_atoms, molecule.elements, float(d), float(p), *b)
            for molecule, d, p, b in zip(molecules, distance, percentile, boiling, strict=True)
        ]

    def probabilities(self, raw: RawOutputs) -> npt.NDArray[np.float64]:
        """Return the words' calibrated probabilities, (M, words)."""
        return statements.probabilities(self.config, raw.words)

    def explain(self, smiles: str, word: str | None = None) -> Explanation:
        """Say what each heavy atom of a molecule contributes to a word.

        Parameters
        ----------
        smiles : str
        word : str or None
            None: the most probable one.

        Raises
        ------
        MoleculeError
            The molecule cannot be read.
        UnknownWord
            The model does not have the word.
        """
        return explain(self, read_molecule(smiles, self.limits), word)

    def warnings(self, molecule: Molecule, tokens: MoleculeTokens) -> tuple[str, ...]:
        """Return what was changed in a molecule and what the model has not seen."""
        said = tuple(warning.message for warning in molecule.warnings)
        return (*said, f"{tokens.unknown} atom features the model does not know") if tokens.unknown else said

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
        applicability: Applicability | None,
    ) -> ScentPrediction:
        chosen = statements.notes(self.config, chances)
        return ScentPrediction(
            primary_notes=self._ranked(chosen, chances),
            intensity=_rating(raw, row, self._intensity),
            smiles=molecule.text,
            canonical_smiles=molecule.smiles,
            words=dict(zip(self.config.words, chances.tolist(), strict=True)),
            dilution=dilution,
            pleasantness=_rating(raw, row, self._valence),
            log_inverse_threshold=float(raw.threshold[row, 0]),
            odorless_probability=float(statements.sigmoid(raw.odorless[row])[0]),
            confidence=float(statements.confidence(self.config, chances, chosen)),
            warnings=self.warnings(molecule, tokens),
            model_version=self.version,
            applicability=applicability,
            notes_90=self._ranked(statements.notes_90(self.config, chances), chances),
        )

    def _ranked(self, chosen: npt.NDArray[np.bool_], chances: npt.NDArray[np.float64]) -> tuple[str, ...]:
        """Return the chosen words, most probable first."""
        order = np.argsort(-chances, kind="stable")
        return tuple(self.config.words[i] for i in order[chosen[order]])


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
