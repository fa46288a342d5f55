"""Does distance on the odour map tell where the model errs, and are neighbours there alike in smell?

python benchmarks/applicability.py --data ../shared/data --runs runs/base/folds --report docs/results/applicability.md
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator
from scipy.stats import rankdata, spearmanr

from olfactory_transformer.core.applicability import FURTHEST
from olfactory_transformer.model.reference import NEAREST, nearest_distance, unit
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.finetune import NETWORK, model_config, predict, read_run
from olfactory_transformer.train.read import FOLDS, connectivity, read_training_set
from olfactory_transformer.train.reference import left_out_distances
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.tasks import TrainingSet

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = npt.NDArray[np.float64]
BINS = 10


@dataclass(frozen=True)
class Measured:
    """What was found of W molecules with words, each by the network that had not seen it; (W,) each.

    Parameters
    ----------
    distance : ndarray
        Mean cosine distance to the nearest training molecules.
    loss, plain : ndarray
        Mean log loss of a word, of the network and of the training molecules' shares of each word.
    auroc : ndarray
        Of the molecule's words over the others; NaN without any word.
    overlap, structural : ndarray
        Jaccard overlap of its words with those of the nearest training molecule, on the map and by fingerprint.
    quantiles : dict of int to (float, float, float)
        A finished fold: percentile `FURTHEST` of the distances of held-out molecules, the same of training molecules
        left out one by one, and the share of held-out molecules beyond the latter.
    """

    distance: Array
    loss: Array
    plain: Array
    auroc: Array
    overlap: Array
    structural: Array
    quantiles: dict[int, tuple[float, float, float]]


def outputs(data: TrainingSet, run: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the embedding and the words' logits of all molecules by the network of a fold."""
    model = read_run(run, model_config(data))
    found = predict(model, data, np.arange(len(data.smiles)))
    return found["embedding"], found["words"]


def fingerprints(smiles: list[str]) -> npt.NDArray[np.float32]:
    """Return Morgan fingerprints (radius 2, 2,048 bits), (M, 2048)."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    return np.array([generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(s)) for s in smiles], np.float32)


def tanimoto(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the similarity of all pairs, (A, bits), (B, bits) -> (A, B)."""
    both = a @ b.T
    return both / (a.sum(1)[:, None] + b.sum(1) - both)


def jaccard(a: Array, b: Array) -> Array:
    """Return the overlap of the words of pairs of molecules, (P, words) each -> (P,); both have none: 1."""
    either = np.maximum(a, b).sum(1)
    return np.divide(np.minimum(a, b).sum(1), either, out=np.ones(len(a)), where=either > 0)


def aurocs(truth: Array, logits: Array) -> Array:
    """Return for each molecule the chance that a word of it is ranked above another, (W, words) -> (W,)."""
    positive = truth.sum(1)
    above = (rankdata(logits, axis=1) * truth).sum(1) - positive * (positive + 1) / 2
    pairs = positive * (truth.shape[1] - positive)
    return np.divide(above, pairs, out=np.full(len(truth), np.nan), where=pairs > 0)


def measure(data: TrainingSet, runs: Path) -> Measured:
    """Measure each fold's network on the molecules it had not seen."""
    words = data.task("words")
    truth, fold = words.values.astype(np.float64), data.fold[words.molecule]
    bits = fingerprints([data.smiles[i] for i in words.molecule])
    keys = [connectivity(read_molecule(smiles)) for smiles in data.smiles]
    found = {name: np.full(len(truth), np.nan) for name in Measured.__annotations__ if name != "quantiles"}
    quantiles = []
    done = [k for k in range(FOLDS) if (runs / f"fold-{k}" / NETWORK).is_file()]
    for k in done:
        embedding, all_logits = outputs(data, runs / f"fold-{k}")
        vectors = unit(embedding)
        seen, unseen = np.flatnonzero(data.fold != k), np.flatnonzero(data.fold == k)
        new, inside = fold == k, fold != k
        distance = np.full(len(vectors), np.nan)
        distance[unseen] = nearest_distance(vectors[unseen] @ vectors[seen].T, NEAREST)
        left_out = left_out_distances(vectors[seen], [keys[i] for i in seen])
        held_out = distance[unseen]
        limit = float(np.percentile(left_out, FURTHEST))
        quantiles.append((float(np.percentile(held_out, FURTHEST)), limit, float((held_out > limit).mean())))
        rows, logits = words.molecule[new], all_logits[words.molecule[new]].astype(np.float64)
        rate = truth[inside].mean(0)
        found["distance"][new] = distance[rows]
        found["loss"][new] = (np.logaddexp(0, logits) - truth[new] * logits).mean(1)
        found["plain"][new] = -np.where(truth[new] > 0, np.log(rate), np.log1p(-rate)).mean(1)
        found["auroc"][new] = aurocs(truth[new], logits)
        on_map = (vectors[rows] @ vectors[words.molecule[inside]].T).argmax(1)
        found["overlap"][new] = jaccard(truth[new], truth[inside][on_map])
        alike = tanimoto(bits[new], bits[inside]).argmax(1)
        found["structural"][new] = jaccard(truth[new], truth[inside][alike])
        print(f"fold {k} done", flush=True)
    rows = np.isin(fold, done)
    return Measured(
        **{name: values[rows] for name, values in found.items()},
        quantiles=dict(zip(done, quantiles, strict=True)),
    )


def figures(found: Measured, rows: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return mean log loss, the share of the plain loss that the network saves, and mean AUROC of some molecules."""
    loss, plain = found.loss[rows].mean(), found.plain[rows].mean()
    return float(loss), float(1 - loss / plain), float(np.nanmean(found.auroc[rows]))


def draw(path: Path, centres: list[float], saved: list[float], auroc: list[float]) -> None:
    """Draw both scores over the distance."""
    mpl.rcParams["svg.hashsalt"] = "applicability"  # so that the same figures give the same file
    figure, left = plt.subplots(figsize=(6, 3.2), layout="constrained")
    right = left.twinx()
    left.plot(centres, saved, "o-", color="tab:blue")
    right.plot(centres, auroc, "s--", color="tab:orange")
    left.set_xlabel("mean cosine distance to the five nearest training molecules")
    left.set_ylabel("share of the log loss saved", color="tab:blue")
    right.set_ylabel("AUROC of a molecule's words", color="tab:orange")
    left.set_ylim(bottom=0)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def page(found: Measured, picture: str, command: str, bins: list[npt.NDArray[np.bool_]]) -> str:
    """Return the page as Markdown."""
    limit = np.percentile(found.distance, FURTHEST)
    spans = [f"{found.distance[b].min():.3f}-{found.distance[b].max():.3f}" for b in bins]
    rows = [
        [name, int(b.sum()), *(f"{value:.3f}" for value in figures(found, b))]
        for name, b in [
            *zip(spans, bins, strict=True),
            (f"the furthest {100 - FURTHEST:.0f} %", found.distance > limit),
            ("all", found.distance >= 0),
        ]
    ]
    known = np.isfinite(found.auroc)
    trend = spearmanr(found.distance[known], found.auroc[known])[0]
    quantiles = [
        [k, f"{held:.3f}", f"{left:.3f}", f"{100 * beyond:.1f} %"]
        for k, (held, left, beyond) in found.quantiles.items()
    ]
    return "\n\n".join(
        [
            "# Distance and error",
            f"Written by `{command}`; do not edit.",
            f"- commit: {commit()}; {machine()}",
            "Each molecule of gs_lf.csv by the network of the fold that had not seen it. Distance: mean cosine "
            f"distance on that network's odour map to the {NEAREST} nearest molecules it was trained on. Saved: "
            "the share of the log loss that the network saves over saying each word's share of the training "
            "molecules. AUROC: of one molecule's words, over the words, mean over molecules.",
            f"![Share of the log loss saved, and AUROC, over distance]({picture})",
            table(["distance", "molecules", "log loss of a word", "saved", "AUROC"], rows),
            f"Rank correlation of distance and a molecule's AUROC: {trend:.2f}. So distance tells where the model "
            "knows less, on average; of a single molecule it says little.",
            "## What a distance is compared with",
            "The shipped network has seen all molecules, so none is new to it. Its index leaves each out in turn, "
            f"with its stereoisomers. In the folds, percentile {FURTHEST:.0f} of such distances, although the "
            "network was fitted to the molecules, against that of molecules held out:",
            table(
                ["fold", "held out", "left out in turn", "held-out molecules beyond the latter"], quantiles
            ),
            "## Neighbours",
            "Jaccard overlap of the words of a held-out molecule with those of its nearest training molecule, "
            "mean over molecules:",
            table(
                ["nearest by", "overlap"],
                [
                    ["cosine on the odour map", f"{found.overlap.mean():.3f}"],
                    ["Tanimoto of Morgan fingerprints", f"{found.structural.mean():.3f}"],
                ],
            ),
        ]
    )


def main() -> None:
    """Measure, draw and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--runs", type=Path, required=True, help="Folder with fold-0 ... fold-4, as far as finished."
    )
    parser.add_argument("--report", type=Path, help="Page to write, with a picture beside it.")
    arguments = parser.parse_args()
    found = measure(read_training_set(arguments.data), arguments.runs)
    edges = np.quantile(found.distance, np.linspace(0, 1, BINS + 1))
    place = np.clip(np.searchsorted(edges, found.distance, "right") - 1, 0, BINS - 1)
    bins = [place == i for i in range(BINS)]
    command = f"python benchmarks/applicability.py --data {arguments.data} --runs {arguments.runs}"
    name = f"{arguments.report.stem}.svg" if arguments.report else "applicability.svg"
    text = page(found, name, f"{command} --report {arguments.report}" if arguments.report else command, bins)
    print(text)
    if arguments.report:
        arguments.report.parent.mkdir(parents=True, exist_ok=True)
        arguments.report.write_text(text + "\n", encoding="utf-8")
        scores = [figures(found, b) for b in bins]
        draw(
            arguments.report.with_name(name),
            [float(found.distance[b].mean()) for b in bins],
            [score[1] for score in scores],
            [score[2] for score in scores],
        )


if __name__ == "__main__":
    main()
