"""How many molecules a second does one core predict that it has not seen before, and where does the time go?

python benchmarks/throughput.py --report docs/results/throughput.md

Real compounds of the `chemicals` package, of an odorant's size, each once; one thread, kept on one core. Stages are
timed apart; `whole` is `ScentPredictor.predict`, from SMILES to `ScentPrediction`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from olfactory_transformer import ScentPredictor, read_molecule
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.train.pool import like_odorant
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.structures import listed_compounds

BATCH, ROUNDS = 512, 3


def compounds(count: int) -> list[str]:
    """Return SMILES of so many real compounds of an odorant's size and elements."""
    found: list[str] = []
    for text in listed_compounds():
        with suppress(MoleculeError):
            if like_odorant(read_molecule(text)):
                found.append(text)
        if len(found) == count:
            break
    return found


def seconds(work: Callable[[], object]) -> float:
    """Return the shortest of some rounds: what else the machine does only adds."""
    found = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    predictor = ScentPredictor.from_pretrained("olfactory-base-v1", threads=1)
    smiles = compounds(arguments.count)
    parts = [smiles[i : i + BATCH] for i in range(0, len(smiles), BATCH)]
    molecules = [read_molecule(text) for text in smiles]
    tokens = [predictor.tokenizer(molecule) for molecule in molecules]
    dilution = np.full(len(tokens), -3.0, np.float32)
    predictor.predict(parts[0])  # warm
    read = seconds(lambda: [read_molecule(text) for text in smiles])
    tokenize = seconds(lambda: [predictor.tokenizer(molecule) for molecule in molecules])
    network = seconds(lambda: predictor.runtime.run(tokens, dilution))
    whole = seconds(lambda: [predictor.predict(part) for part in parts])
    some = smiles[:200]
    single = seconds(lambda: [predictor.predict(text) for text in some]) / len(some) * len(smiles)
    rows = [
        [what, f"{len(smiles) / took:,.0f}", f"{1e6 * took / len(smiles):,.0f}"]
        for what, took in (
            ("reading SMILES", read),
            ("tokens", tokenize),
            ("network", network),
            (f"whole, lists of {BATCH}", whole),
            ("whole, one at a time", single),
        )
    ]
    page = "\n\n".join(
        [
            "# Molecules a second on one core",
            f"Written by `python benchmarks/throughput.py --report {arguments.report}`; do not edit.",
            f"- model: {predictor.version}, fp32 by ONNX Runtime; {len(smiles)} compounds, "
            f"{np.mean([len(t) for t in tokens]):.1f} heavy atoms on average; nothing cached\n"
            f"- commit: {commit()}; {machine()}; the shortest of {ROUNDS} rounds",
            table(["stage", "molecules a second", "µs a molecule"], rows),
        ]
    )
    print(page)
    if arguments.report:
        arguments.report.write_text(page + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
