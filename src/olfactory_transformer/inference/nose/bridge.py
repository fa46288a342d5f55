"""From the name of a substance to words: its principal volatile compounds, and what the molecule model says of them.

`composition.csv` has what the literature names as characteristic of each of SmellNet's substances, with the source a
row. How much there is of each is not known, so all count alike. The words are those of the compounds and not of
any recording: two recordings with the same name have the same words.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.core.errors import UnknownSmell, shown

if TYPE_CHECKING:
    from olfactory_transformer.core.config import ScentPrediction
    from olfactory_transformer.inference.mixture_predictor import MixturePredictor
    from olfactory_transformer.inference.predictor import ScentPredictor

SAID = "words of the substance's known compounds, by the molecule model; not of this recording"


@dataclass(frozen=True, slots=True)
class Compound:
    """A volatile compound of a substance.

    Parameters
    ----------
    name, smiles, formula : str
    source : str
        Where a reader finds that the substance has it.
    """

    name: str
    smiles: str
    formula: str
    source: str


@dataclass(frozen=True, slots=True)
class SubstanceWords:
    """What a substance's compounds smell of, all counted alike.

    Parameters
    ----------
    substance : str
    words : mapping of str to float
        The mean over the compounds of each word's probability (0-1), highest first.
    compounds : tuple of (Compound, ScentPrediction)
    blend : mapping of str to float
        Ratings 0-5 of 51 words by the model of blends, highest first, each compound at a dilution of 0.001;
        empty without that model.
    """

    substance: str
    words: Mapping[str, float]
    compounds: tuple[tuple[Compound, ScentPrediction], ...]
    blend: Mapping[str, float]

    def as_dict(self, count: int = 10) -> dict[str, Any]:
        """Return JSON-ready values, with the first `count` words."""
        return {
            "substance": self.substance,
            "said": SAID,
            "words": [
                {"word": word, "probability": chance} for word, chance in list(self.words.items())[:count]
            ],
            "blend": [{"word": word, "rating": rating} for word, rating in list(self.blend.items())[:count]],
            "compounds": [
                {
                    "name": compound.name,
                    "smiles": compound.smiles,
                    "source": compound.source,
                    "notes": list(prediction.primary_notes),
                }
                for compound, prediction in self.compounds
            ],
        }


@cache
def compositions() -> Mapping[str, tuple[Compound, ...]]:
    """Return the compounds of each substance of the table.

    >>> [compound.name for compound in compositions()["cloves"]]
    ['eugenol', 'eugenyl acetate', 'beta-caryophyllene']
    """
    found: dict[str, list[Compound]] = {}
    path = files("olfactory_transformer.inference.nose") / "composition.csv"
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        compound = Compound(row["compound"], row["smiles"], row["formula"], row["source"])
        found.setdefault(row["substance"], []).append(compound)
    return {substance: tuple(compounds) for substance, compounds in found.items()}


def words_of(
    substance: str, predictor: ScentPredictor, mixtures: MixturePredictor | None = None
) -> SubstanceWords:
    """Return the words of a substance, by its compounds.

    Parameters
    ----------
    substance : str
        As SmellNet names it, or with spaces.
    predictor : ScentPredictor
    mixtures : MixturePredictor or None
        None: no ratings of the blend.

    Raises
    ------
    UnknownSmell
        The table has no compounds of it: of a smell that a user taught, or of which we know none for sure.

    Examples
    --------
    >>> from olfactory_transformer.inference.predictor import ScentPredictor
    >>> lemon = words_of("lemon", ScentPredictor.from_pretrained())
    >>> "citrus" in list(lemon.words)[:2]
    True
    """
    compounds = compositions().get("_".join(substance.split()))
    if not compounds:
        raise UnknownSmell(f"no compounds of {shown(substance)} are known; nothing can be said in words")
    predictions = predictor.predict([compound.smiles for compound in compounds])
    names = list(predictions[0].words)
    mean = np.mean([[each.words[name] for name in names] for each in predictions], axis=0)
    blend: dict[str, float] = {}
    if mixtures is not None:
        stimulus = [(compound.smiles, DEFAULT_DILUTION) for compound in compounds]
        profile = dict(zip(mixtures.columns, mixtures.profiles([stimulus])[0].tolist(), strict=True))
        # Of a strength and a liking, which are on other scales, nothing is said: both hang on the amounts.
        blend = {
            word: rating for word, rating in profile.items() if word not in ("Intensity", "Pleasantness")
        }
    return SubstanceWords(
        substance,
        _highest_first(dict(zip(names, mean.tolist(), strict=True))),
        tuple(zip(compounds, predictions, strict=True)),
        _highest_first(blend),
    )


def _highest_first(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: -item[1]))
