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
    "dream2025",
    "pairs",
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
descriptors ({len(config.isomeric)} of the set with stereo), {len(config.ratings)} panel ratings and a profile of
{len(config.profile)} at a dilution, the {len(config.atlas)} descriptors of an atlas, detection threshold in air,
boiling point and vapour pressure, and whether it is odourless. From the same embedding, `mixtures.safetensors`
predicts the profile of a blend and how far apart two mixtures smell.

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

The trunk was pre-trained on unlabelled structures listed by the `chemicals` package (MIT). The network then learned
from the labels and from what teachers (dense networks and extra trees on RDKit descriptors, and a network trained on
the labels alone) say of 12,000 more of these structures. `reference.safetensors` has the embeddings of the labelled
molecules, no labels, and the SMILES of those alone that the `chemicals` package lists as well.

## Known failures

- Mirror images: the input tells R from S and E from Z, but most of what was learned was written without stereo. What
  it says of enantiomers is measured in `docs/results/accuracy.md`; do not rely on it.
- Words are what perfumers and flavourists wrote, not what a panel smelled; a word that nobody wrote counts as absent.
- Involatile molecules are sometimes given a smell, and `applicability` does not always say so: version 1.1.0 calls
  octacosane "waxy" and aspirin "phenolic", both inside. Ammonia, like nothing it learned from, it calls odourless.
- The atlas (121 rows), thresholds (290) and profiles (200) were learned from few molecules: their folds differ much.
- Rare words (about 30 molecules of training) are ranked less well than the mean suggests; see the table by word.
- Salts, metals, polymers and mixtures: one fragment is predicted, as if it were alone.
- Dilution reaches only the panel ratings: the words are those of "some usual dilution".
"""
