"""`python -m benchmarks.load.inprocess --list 32 < SMILES`: what the library does without a server.

Runs `ScentPredictor.predict` over the lines of standard input, in a process of its own. Prints molecules a second, and
seconds of processor time a molecule.
"""

from __future__ import annotations

import argparse
import sys
import time

from olfactory_transformer import ScentPredictor


def main() -> None:
    """Predict for so many seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", type=int, default=32, help="molecules in one call")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--warm-up", type=float, default=1)
    given = parser.parse_args()
    smiles = sys.stdin.read().split()
    predictor = ScentPredictor.from_pretrained()
    began, done = time.monotonic() + given.warm_up, 0
    warm, before = False, time.process_time()
    for i in range(0, len(smiles) - given.list + 1, given.list):
        now = time.monotonic()
        if not warm and now >= began:
            warm, began, done, before = True, now, 0, time.process_time()
        elif warm and now >= began + given.seconds:
            break
        predictor.predict(smiles[i : i + given.list] if given.list > 1 else smiles[i])
        done += given.list
    print(done / (time.monotonic() - began), (time.process_time() - before) / done)


if __name__ == "__main__":
    main()
