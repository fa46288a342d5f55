"""The model card that is saved with the weights."""

from __future__ import annotations

from collections.abc import Mapping

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.train.report import table
from olfactory_transformer.train.sources import SOURCES

# The files the base model is trained on.
_TRAINED_ON = (
    "gs_lf",
    "keller2016",
    "dravnieks1985",
    "abraham2012",
    "mayhew2022",
    "dream2025_single",
    "aux_",
)


def model_card(
    config: ModelConfig, parameters: int, command: str, commit: str, figures: Mapping[str, str]
) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    config : ModelConfig
    parameters : int
        Number of weights.
    command, commit : str
        What trained it.
    figures : mapping of str to str
        Cross-validated scores, by what they measure.
    """
    trained_on = [s for s in SOURCES if any(name in s.file for name in _TRAINED_ON)]
    scores = table(["cross-validated", "figure"], figures.items()) if figures else "Not measured."
    return f"""# {config.name} {config.version}

A graph transformer that reads a molecule's structure and predicts what it smells of: {len(config.words)} odour
descriptors, {len(config.ratings)} panel ratings at a dilution (intensity and pleasantness among them), detection
threshold in air, and whether it is odourless.

- parameters: {parameters:,} ({config.layers} layers, width {config.width}, {config.heads} heads)
- input: atoms and bonds with stereo; up to 200 heavy atoms
- trained by: `{command}`, commit {commit}

## Intended use

Research: screening and sorting structures by likely odour, and exploring the odour map. It is not a safety
assessment, says nothing of toxicity or allergy, and does not replace a nose.

## Scores

{scores}

How they were measured, with every word: `docs/results/cross-validation.md` in the repository. The shipped
weights were trained on all folds, so scoring them on the training files measures memory, not prediction.

## Data and its terms

The code is Apache-2.0. The weights were trained on data of which several sources allow research use only; whoever
uses the weights commercially has to clear that with the sources first.

{table(["file", "rows", "origin", "terms"], [[s.file, s.rows, s.origin, s.licence] for s in trained_on])}

The trunk was pre-trained on unlabelled structures listed by the `chemicals` package (MIT).

## Known failures

- Mirror images: the input tells R from S and E from Z, but the words' head was trained without stereo, and what it
  says of two enantiomers has not been shown to be better than chance.
- Words are what perfumers and flavourists wrote, not what a panel smelled; a word that nobody wrote counts as absent.
- Involatile molecules are sometimes given a smell: glucose written without stereo ("sweet", from a source
  that noted its taste) and octacosane ("waxy") are called odorous by version 1.0.0. Ammonia, which is like nothing
  it was trained on, is called odourless.
- Intensity, pleasantness and threshold tell strong from weak and not much more: extra trees on molecular descriptors
  do better in the same folds.
- Rare words (about 30 molecules of training) are ranked less well than the mean suggests; see the table by word.
- Salts, metals, polymers and mixtures: one fragment is predicted, as if it were alone.
- Dilution reaches only the panel ratings: the words are those of "some usual dilution".
"""
