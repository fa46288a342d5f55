"""Score a file of 10,000 rows of which 500 are bad, check that nothing is lost, and time it.

    python benchmarks/bulk_file.py [--rows 10000] [--bad 500] [--report docs/results/bulk.md]

The good rows are real compounds listed by the `chemicals` package; the bad ones are of every kind that
`read_molecule` refuses, and rows that are broken as CSV. Absolute times hold for the machine named; the shares of
the time are what to compare.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.model.tokenizer import MoleculeTokenizer
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.report import machine, table
from olfactory_transformer.train.shipping import commit
from olfactory_transformer.train.structures import listed_compounds

# Kind -> the raw bytes of the SMILES field.
BAD = {
    "empty": b"",
    "white space": b"   ",
    "too long": b"C" * 1001,
    "markup": b"CC<b>O",
    "control character": b"CC\x07O",
    "not ASCII": "CС".encode(),
    "not UTF-8": b"CC\xffO",
    "syntax": b"CC(",
    "ring left open": b"C1CC",
    "valence": b"CC(C)(C)(C)C",
    "aromaticity": b"c1cccc1",
    "unknown element": b"C[Xx]",
    "trailing text": b"CCO ethanol",
    "no heavy atom": b"[H][H]",
    "wildcard": b"CC*",
    "too many atoms": b"C" * 300,
    "too many rings": b"".join(b"C%%%02d" % i for i in range(10, 60))
    + b"C"
    + b"".join(b"C%%%02d" % i for i in range(10, 60)),
}


def write_input(path: Path, rows: int, bad: int) -> dict[int, str]:
    """Write the file and return row -> kind of the bad ones."""
    compounds = []
    for smiles in listed_compounds():
        try:
            read_molecule(smiles)
        except MoleculeError:
            continue
        compounds.append(smiles)
        if len(compounds) == rows - bad:
            break
    rng = random.Random(0)
    places = sorted(rng.sample(range(rows), bad))
    kinds = list(BAD)
    where = {row: kinds[i % len(kinds)] for i, row in enumerate(places)}
    good = iter(compounds)
    with path.open("wb") as file:
        file.write(b"id,smiles,note\n")
        for row in range(rows):
            smiles = BAD[where[row]] if row in where else next(good).encode()
            file.write(b'%06d,"%s","a, ""quoted"" note"\n' % (row, smiles))
    return where


def main() -> None:
    """Score, check, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--bad", type=int, default=500)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "in.csv", Path(folder) / "out.csv"
        where = write_input(source, arguments.rows, arguments.bad)
        command = [
            sys.executable,
            "-m",
            "olfactory_transformer.cli",
            "predict",
            "--input",
            str(source),
            "--output",
            str(result),
        ]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - began
        with result.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            scored = list(csv.DictReader(file))
        began = time.perf_counter()
        read_and_tokenize(source)
        reading = time.perf_counter() - began
    failed = {i for i, row in enumerate(scored) if row["error"]}
    lost = arguments.rows - len(scored)
    misplaced = sum(
        row["id"] != f"{i:06d}" or row["note"] != 'a, "quoted" note' for i, row in enumerate(scored)
    )
    assert failed == set(where), f"failed and bad rows differ: {sorted(failed ^ set(where))[:10]}"
    assert not lost and not misplaced, f"lost {lost}, misplaced {misplaced}"
    assert done.returncode == 1, f"exit code {done.returncode}, expected 1"
    kinds = Counter(where.values())
    example = {where[i]: scored[i]["error"] for i in sorted(where)}
    lines = [
        "# A file of 10,000 rows, 500 of them bad",
        "Written by `python benchmarks/bulk_file.py --report docs/results/bulk.md`; do not edit.",
        f"- commit: {commit()}; seed 0; {machine()}\n"
        f"- last line of the command: `{done.stderr.strip().splitlines()[-1]}`; "
        f"exit code {done.returncode}\n- rows lost: {lost}; rows out of place or with a changed column: {misplaced}\n"
        f"- whole command: {seconds:.1f} s, {arguments.rows / seconds:.0f} rows a second; of it reading molecules and "
        f"making tokens, measured alone: {reading:.1f} s ({reading / seconds:.0%})",
        table(["kind", "rows", "error"], [[k, kinds[k], f"`{example[k]}`"] for k in BAD]),
    ]
    page = "\n\n".join(lines) + "\n"
    print(page)
    if arguments.report:
        arguments.report.write_text(page, encoding="utf-8")


def read_and_tokenize(source: Path) -> None:
    """What no predictor can do without: parse, canonicalise, featurise."""
    tokenizer = MoleculeTokenizer()
    with source.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        for row in csv.DictReader(file):
            try:
                tokenizer(read_molecule(row["smiles"]))
            except MoleculeError:
                continue


if __name__ == "__main__":
    main()
