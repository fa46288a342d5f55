"""The frozen values that pass between the parts: what a model is, and what it says of a molecule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from olfactory_transformer.core.applicability import Applicability
from olfactory_transformer.core.errors import ModelForeign, shown

DEFAULT_DILUTION = 1e-3  # volume fraction; the most frequent in Keller & Vosshall (2016)


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything needed to build the network and to read its outputs.

    Parameters
    ----------
    words : tuple of str
        Odour descriptors, in the order of the model's output.
    ratings : tuple of str
        Columns of the ratings head (Keller 2016), of which `intensity` and `valence` are named in predictions.
    isomeric, profile, atlas : tuple of str
        Columns of the heads for the isomeric GS-LF words, the DREAM 2025 profile at a dilution, and the Dravnieks
        atlas; empty in a model without that head.
    width, layers, heads, feedforward : int
        Size of the transformer.
    embedding : int
        Coordinates of the odour map.
    dense : int
        Width of a layer that reads embedding and fingerprint together.
    word_readers : int
        Such layers of the words, each trained on its own; the words' log odds are the mean of what they say.
    process_rows : tuple of int
        Ratings that each of the Gaussian processes learned from (see `model.transformer.PROCESSES`). Empty: none.
    dropout : float
        While training.
    name, version : str
        Of the trained model.
    temperature : float
        Divides the words' logits before the sigmoid; fitted on held-out folds.
    offsets : tuple of float
        Added to the words' divided logits, one a word; fitted on held-out folds. Empty: none.
    thresholds : tuple of float
        A word is a primary note when its probability reaches its threshold; one a word, chosen on held-out
        folds. Empty: 0.5 for all.
    share_90 : float
        A word is in `notes_90` when its share of the sum of all words' probabilities reaches this; 0: no word is.
    confidence_stated, confidence_right : tuple of float
        Knots of the line from the mean probability of the notes to the share of them that is right, rising; chosen
        on held-out folds. Empty: the mean as it is.
    auroc : float
        Macro AUROC of the words on held-out folds, mean over the folds; 0: not measured.
    """

    words: tuple[str, ...]
    ratings: tuple[str, ...] = ()
    isomeric: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    atlas: tuple[str, ...] = ()
    width: int = 192
    layers: int = 6
    heads: int = 8
    feedforward: int = 384
    embedding: int = 256
    dense: int = 512
    word_readers: int = 3
    process_rows: tuple[int, ...] = ()
    dropout: float = 0.1
    name: str = "unnamed"
    version: str = "0"
    temperature: float = 1.0
    offsets: tuple[float, ...] = ()
    thresholds: tuple[float, ...] = ()
    share_90: float = 0.0
    confidence_stated: tuple[float, ...] = ()
    confidence_right: tuple[float, ...] = ()
    auroc: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the configuration as JSON-ready values."""
        return {"type": "OlfactoryTransformer", **asdict(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: object = "config.json") -> ModelConfig:
        """Build from JSON values; ModelForeign, naming `source`, if they are not those of a model of this kind."""
        if values.get("type") != "OlfactoryTransformer":
            got = shown(values.get("type"))
            raise ModelForeign(f"{source}: type is {got}, expected 'OlfactoryTransformer'")
        kinds = {f.name: str(f.type) for f in fields(cls)}
        given: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k != "type"
        }
        if unknown := sorted(given.keys() - kinds.keys()):
            raise ModelForeign(f"{source}: unknown keys {shown(str(unknown))}; written by a newer version?")
        if not given.get("words"):
            raise ModelForeign(f"{source}: 'words' is missing or empty")
        for name, value in given.items():
            if not _is_kind(value, kinds[name], signed=name == "offsets"):
                raise ModelForeign(f"{source}: {name} is {shown(repr(value))}, expected {kinds[name]}")
        config = cls(**given)
        if config.width % config.heads:
            raise ModelForeign(f"{source}: width {config.width} is not a multiple of heads {config.heads}")
        if not config.temperature:
            raise ModelForeign(f"{source}: temperature is 0, expected a divisor")
        for name, numbers in (("thresholds", config.thresholds), ("offsets", config.offsets)):
            if numbers and len(numbers) != len(config.words):
                got = f"{len(numbers)} {name} for {len(config.words)} words"
                raise ModelForeign(f"{source}: got {got}, expected one each or none")
        stated, right = config.confidence_stated, config.confidence_right
        if len(stated) != len(right) or list(stated) != sorted(set(stated)):
            raise ModelForeign(
                f"{source}: confidence_stated is not rising, or not as long as confidence_right"
            )
        return config


def _is_kind(value: object, kind: str, *, signed: bool = False) -> bool:
    """Tell whether a JSON value can be a field annotated `kind`; numbers, unless signed, are sizes or scales."""
    if kind.startswith("tuple["):
        item = kind.removeprefix("tuple[").removesuffix(", ...]")
        return isinstance(value, tuple) and all(_is_kind(v, item, signed=signed) for v in value)
    if kind == "str":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int if kind == "int" else (int, float)):
        return False
    return value > 0 if kind == "int" else math.isfinite(value) and (signed or value >= 0)


@dataclass(frozen=True, slots=True)
class ScentPrediction:
    """What a molecule smells like.

    Parameters
    ----------
    primary_notes : tuple of str
        The words whose probability reaches their own threshold, most probable first.
    intensity : float or None
        Perceived intensity at `dilution`, 0 (none) to 10 (extremely strong).
    smiles, canonical_smiles : str
        As given, and what was predicted.
    words : mapping of str to float
        Probability of every word, 0-1.
    dilution : float
        Volume fraction, 0-1, at which intensity and pleasantness are meant.
    pleasantness : float or None
        At `dilution`, 0 (extremely unpleasant) over 5 (neutral) to 10 (extremely pleasant).
    log_inverse_threshold : float or None
        log10(1 / ODT), ODT the odour detection threshold in ppm (v/v) in air; larger smells at less.
    odorless_probability : float or None
        Probability that people smell nothing, 0-1.
    confidence : float or None
        Expected share of `primary_notes` (without any, of the most probable word) that a reference description of
        this molecule names, 0-1: the mean of their probabilities, corrected by what was right on held-out folds.
    warnings : tuple of str
        What was changed in the input and what the model has not seen.
    model_version : str
        Name and version of the model that said so.
    applicability : Applicability or None
        Whether the molecule is like those that the model learned from; None if the model cannot tell.
    notes_90 : tuple of str
        Words that hold, on average over molecules exchangeable with the labelled ones of the cross-validation (GS-LF),
        at least 90 % of the words that the reference gives a molecule; most probable first, empty if the model has
        no threshold for it.

    Examples
    --------
    >>> ScentPrediction(primary_notes=("vanilla",), intensity=5.0).intensity
    5.0
    """

    primary_notes: tuple[str, ...] = ()
    intensity: float | None = None
    smiles: str = ""
    canonical_smiles: str = ""
    words: Mapping[str, float] = field(default_factory=dict)
    dilution: float = DEFAULT_DILUTION
    pleasantness: float | None = None
    log_inverse_threshold: float | None = None
    odorless_probability: float | None = None
    confidence: float | None = None
    warnings: tuple[str, ...] = ()
    model_version: str = ""
    applicability: Applicability | None = None
    notes_90: tuple[str, ...] = ()

    @property
    def threshold_ppm(self) -> float | None:
        """Odour detection threshold in ppm (v/v) in air.

        >>> ScentPrediction(log_inverse_threshold=3.0).threshold_ppm
        0.001
        """
        if self.log_inverse_threshold is None or not math.isfinite(self.log_inverse_threshold):
            return None
        return float(10.0**-self.log_inverse_threshold)

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        values = asdict(self)
        values["primary_notes"], values["warnings"] = list(self.primary_notes), list(self.warnings)
        values["words"], values["notes_90"] = dict(self.words), list(self.notes_90)
        if self.applicability is not None:
            values["applicability"]["reasons"] = list(self.applicability.reasons)
        values["threshold_ppm"] = self.threshold_ppm
        return values

    def __str__(self) -> str:
        from olfactory_transformer.core.render import text

        return text(self)

    def _repr_html_(self) -> str:
        """Show itself in a notebook."""
        from olfactory_transformer.core.render import html

        return html(self)
