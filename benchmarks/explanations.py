"""Do explanations name the atoms that matter? Top atoms are deleted against random ones; chemistry is compared.

python benchmarks/explanations.py --data ../shared/data --report docs/results/explanations.md
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem

from olfactory_transformer import Molecule, ScentPredictor, read_molecule
from olfactory_transformer.inference.explain import select, smiles_order, without
from olfactory_transformer.inference.statements import log_odds
from olfactory_transformer.model import vocabulary as voc
from olfactory_transformer.model.tokenizer import MoleculeTokens
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit

LEAST = 0.3  # probability of a word that is worth explaining
SHARE, DRAWS = 0.2, 10
# Words whose cause in the molecule is known.
CAUSES = {
    "aldehydic": "[CX3H1]=O",
    "alliaceous": "[#16]",
    "sulfurous": "[#16]",
    "cheesy": "C(=O)[OH]",
    "phenolic": "c[OH]",
}


def masked(tokens: MoleculeTokens, atoms: np.ndarray) -> MoleculeTokens:
    """Return the tokens with some atoms hidden, as pre-training hides them; their bonds stay, substructures go."""
    codes = tokens.atoms.copy()
    codes[atoms] = voc.MASK
    return replace(tokens, atoms=codes, environments=without(tokens, list(atoms)).environments)


WAYS = {"taken out": without, "masked": masked}


def rows(path: Path, generator: np.random.Generator) -> Iterator[tuple[Molecule, set[str]]]:
    """Yield molecules of at least three atoms with their true words, in random order."""
    with path.open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    for index in generator.permutation(len(listed)):
        molecule = read_molecule(listed[index]["smiles"])
        if molecule.heavy_atoms >= 3:
            yield molecule, {name for name, value in listed[index].items() if value == "1" and name != "fold"}


class Measured:
    """A molecule and one of its words: what the word's log odds are when atoms are hidden one way or another."""

    def __init__(
        self, predictor: ScentPredictor, molecule: Molecule, tokens: MoleculeTokens, word: int
    ) -> None:
        self.predictor, self.tokens, self.word, self.molecule = predictor, tokens, word, molecule
        self.full = self.log_odds([tokens])[0]

    def log_odds(self, variants: list[MoleculeTokens]) -> np.ndarray:
        """Return those of the word, (M,)."""
        raw = self.predictor.runtime.run(variants, np.full(len(variants), -3, np.float32))
        return log_odds(self.predictor.probabilities(raw)[:, self.word])

    def attributed(self, way: str) -> np.ndarray:
        """Return each atom's contribution, (N,)."""
        return self.full - self.log_odds([WAYS[way](self.tokens, [i]) for i in range(len(self.tokens))])

    def fall(self, way: str, sets: list[np.ndarray]) -> float:
        """Return how far the probability falls, the mean over sets of atoms to delete."""
        left = self.log_odds([WAYS[way](self.tokens, atoms) for atoms in sets])
        return float(chance(self.full) - chance(left).mean())


def chance(log_odds: np.ndarray) -> np.ndarray:
    """Return probabilities."""
    return 1 / (1 + np.exp(-log_odds))


def sample(
    predictor: ScentPredictor, path: Path, count: int, generator: np.random.Generator
) -> Iterator[Measured]:
    """Yield molecules, each with one true word that is predicted with at least `LEAST`."""
    words = predictor.config.words
    for molecule, true in rows(path, generator):
        tokens = select(predictor.tokenizer(molecule), smiles_order(molecule))
        raw = predictor.runtime.run([tokens], np.full(1, -3, np.float32))
        chances = predictor.probabilities(raw)[0]
        likely = [i for i, word in enumerate(words) if word in true and chances[i] >= LEAST]
        if likely:
            yield Measured(predictor, molecule, tokens, int(generator.choice(likely)))
            count -= 1
        if not count:
            return


def interval(values: np.ndarray, generator: np.random.Generator) -> str:
    """Return the mean with its 95 % bootstrap interval over molecules (10,000 samples)."""
    means = values[generator.integers(len(values), size=(10_000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def deletions(found: list[Measured], generator: np.random.Generator) -> tuple[list[list[str]], str]:
    """Return the rows of the table, and what one way of attributing falls more than the other."""
    falls: dict[tuple[str, str], list[float]] = {}
    for m in found:
        atoms = len(m.tokens)
        k = max(1, int(SHARE * atoms))
        random = [generator.choice(atoms, k, replace=False) for _ in range(DRAWS)]
        top = {way: np.argsort(-m.attributed(way), kind="stable")[:k] for way in WAYS}
        for deletion in WAYS:
            falls.setdefault(("random", deletion), []).append(m.fall(deletion, random))
            for way in WAYS:
                falls.setdefault((way, deletion), []).append(m.fall(deletion, [top[way]]))
    of = {key: np.array(values) for key, values in falls.items()}
    lines = []
    for deletion in WAYS:
        by_chance = of["random", deletion]
        for way in WAYS:
            top_fall = of[way, deletion]
            more = 100 * (top_fall > by_chance).mean()
            difference = interval(top_fall - by_chance, generator)
            cells = [f"{top_fall.mean():.3f}", f"{by_chance.mean():.3f}", difference, f"{more:.0f} %"]
            lines.append([deletion, way, *cells])
    return lines, interval(of["taken out", "taken out"] - of["masked", "taken out"], generator)


def causes(
    predictor: ScentPredictor, path: Path, generator: np.random.Generator
) -> tuple[list[list[str]], str]:
    """Return, word by word, how often the top atom is one of the group, and by how much taking out is better."""
    hits: dict[str, list[list[float]]] = {word: [] for word in CAUSES}
    for molecule, true in rows(path, generator):
        for word in CAUSES.keys() & true & set(predictor.config.words):
            mol = Chem.MolFromSmiles(molecule.smiles)
            group = {i for match in mol.GetSubstructMatches(Chem.MolFromSmarts(CAUSES[word])) for i in match}
            if not group or len(hits[word]) == 50:
                continue
            tokens = select(predictor.tokenizer(molecule), smiles_order(molecule))
            m = Measured(predictor, molecule, tokens, predictor.config.words.index(word))
            if chance(m.full) >= LEAST:
                tops = [float(int(m.attributed(way).argmax()) in group) for way in WAYS]
                hits[word].append([*tops, len(group) / len(tokens)])
    every = np.array([hit for found in hits.values() for hit in found])
    lines = [
        [word, group, str(len(found)), *(f"{100 * x:.0f} %" for x in np.mean(found, 0))]
        for word, group, found in [
            *((word, f"`{CAUSES[word]}`", found) for word, found in hits.items() if found),
            ("all", "", every),
        ]
    ]
    return lines, interval(every[:, 0] - every[:, 1], generator)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="olfactory-base-v1")
    parser.add_argument("--molecules", type=int, default=300)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    path = arguments.data / "molecules" / "gs_lf.csv"
    predictor = ScentPredictor.from_pretrained(arguments.model)
    generator = np.random.default_rng(0)
    found = list(sample(predictor, path, arguments.molecules, generator))
    lines, difference = deletions(found, generator)
    known, better = causes(predictor, path, generator)
    page = "\n\n".join(
        [
            "# Explanations: do they name the atoms that matter?",
            "Written by `python benchmarks/explanations.py --data ../shared/data "
            "--report docs/results/explanations.md`; do not edit.",
            f"- model: {predictor.version}, {predictor.model_hash[:12]}\n- commit: {commit()}\n- seed 0; {machine()}",
            "## Deleting atoms",
            f"{len(found)} molecules of gs_lf.csv, drawn at random, each with one of its true words that is predicted "
            f"with a probability of at least {LEAST}. Of each, the {100 * SHARE:.0f} % of atoms (at least one) with "
            f"the largest contributions are deleted, and as many random ones ({DRAWS} draws). Figures are how far the "
            "word's probability falls; intervals are 95 % bootstrap intervals over molecules. The model was trained "
            "on these molecules: this asks whether explanations are true to the model, not whether the model is right.",
            table(
                ["atoms are deleted by being", "contributions by being", "top atoms", "random atoms",
                 "top - random [95 %]", "molecules with top > random"],
                lines,
            ),
            f"`olfactory explain` takes atoms out. When the top atoms are really taken out, the probability falls "
            f"{difference} further with contributions by taking out than by masking; this figure was to choose the "
            "way before it was measured. A deletion favours contributions computed in its own way, so both are shown. "
            "Masking leaves the atom's bonds to be seen, and puts in a code that the model met in pre-training "
            "alone, when it had not learned any word.",
            "## Known causes",
            "How often the atom with the largest contribution belongs to the group that causes the word, in molecules "
            f"that have both the group and the word (at most 50 a word, predicted with at least {LEAST}), and "
            "how often a random atom would.",
            table(["word", "group", "molecules", *(f"by being {way}" for way in WAYS), "random atom"], known),
            f"Taken out less masked, as a share of all these molecules: {better}; below 0, masking names the cause "
            "more often. Where either of two atoms would do, as in diethyl disulfide, neither is missed alone.",
        ]
    )  # fmt: skip
    print(page)
    if arguments.report:
        arguments.report.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
