"""Structures made to stall a server: each is answered, as a molecule or as an error, long before a minute is over.

Each is read in a process of its own that is killed when it hangs, so that no hang can stall the suite. The time is
generous: the slowest of these takes 0.2 s on an idle machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

KILL_AFTER = 30  # seconds, of which loading Python and RDKit takes the most

READER = """
import json, sys
from olfactory_transformer import MoleculeTokenizer, read_molecule
from olfactory_transformer.core.errors import MoleculeError
tokenizer = MoleculeTokenizer()
for line in sys.stdin:
    try:
        molecule = read_molecule(json.loads(line))
        print(json.dumps([molecule.heavy_atoms, len(tokenizer(molecule))]), flush=True)
    except MoleculeError as error:
        print(json.dumps(error.code), flush=True)
"""


def written(edges, symbol="C"):
    """Return a SMILES of the graph with these edges."""
    neighbours = {}
    for a, b in edges:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    tree, labels, seen, used = {n: [] for n in neighbours}, {n: [] for n in neighbours}, set(), set()
    closures = 0

    def visit(node):
        nonlocal closures
        seen.add(node)
        for other in neighbours[node]:
            edge = frozenset((node, other))
            if edge in used:
                continue
            used.add(edge)
            if other in seen:
                closures += 1
                for end in (node, other):
                    labels[end].append(str(closures) if closures < 10 else f"%{closures}")
            else:
                tree[node].append(other)
                visit(other)

    def text(node):
        parts = [text(child) for child in tree[node]]
        return symbol + "".join(labels[node]) + "".join(f"({p})" for p in parts[:-1]) + "".join(parts[-1:])

    visit(next(iter(neighbours)))
    return text(next(iter(neighbours)))


def sheet(rows, columns):
    """Edges of a brick wall, that is of fused hexagons."""
    across = [((r, c), (r, c + 1)) for r in range(rows) for c in range(columns - 1)]
    return across + [
        ((r, c), (r + 1, c)) for r in range(rows - 1) for c in range(columns) if (r + c) % 2 == 0
    ]


def ladder(rungs):
    rails = [((side, i), (side, i + 1)) for side in (0, 1) for i in range(rungs - 1)]
    return rails + [((0, i), (1, i)) for i in range(rungs)]


def petersen(n, k):
    """Edges of a generalised Petersen graph: every atom is like every other."""
    outer = [(("o", i), ("o", (i + 1) % n)) for i in range(n)]
    return (
        outer + [(("o", i), ("i", i)) for i in range(n)] + [(("i", i), ("i", (i + k) % n)) for i in range(n)]
    )


def complete(n):
    return [(i, j) for i in range(n) for j in range(i)]


def tree(depth, leaf="C"):
    return (
        leaf if depth == 0 else f"C({tree(depth - 1, leaf)})({tree(depth - 1, leaf)}){tree(depth - 1, leaf)}"
    )


FULLERENE = (
    "c12c3c4c5c1c1c6c7c2c2c8c3c3c9c4c4c%10c5c5c1c1c6c6c%11c7c2c2c7c8c3c3c8c9c4c4c9c%10c5c5c1c1c6c6c%11c2c2c7c3c3c8"
    "c4c4c9c5c1c1c6c2c3c41"
)
HOSTILE = {
    **{f"sheet of {s}": written(sheet(4, 12), s) for s in ("c", "n", "C", "N", "P", "[n+]")},
    **{f"ladder of {s}": written(ladder(24), s) for s in ("C", "c", "N", "P", "[C@H]", "[c-]", "[S+]")},
    **{f"long ladder of {s}": written(ladder(40), s) for s in ("N", "p")},
    **{f"cage of {s}": written(petersen(20, 9), s) for s in ("P", "[P@]", "[N@]", "[S@+]", "[C@H]", "c")},
    **{f"prism of {s}": written(petersen(23, 1), s) for s in ("P", "[S@+]", "[C@H]", "[c-]")},
    **{f"large cage of {s}": written(petersen(37, 10), s) for s in ("p", "[n+]")},
    **{
        f"complete graph {n} of {s}": written(complete(n), s) for n in (5, 7, 9) for s in ("[U]", "C", "[Fe]")
    },
    "fullerene": FULLERENE,
    "fullerene of nitrogen": FULLERENE.replace("c", "N"),
    "two fullerenes": f"{FULLERENE}.{FULLERENE}",
    "chain": "C" * 200,
    "longest chain": "C" * 1000,
    "polyene": "C=C" * 100,
    "polyyne": "C#C" * 100,
    "cumulene": "C" + "=C" * 199,
    "aromatic macrocycle": "c1" + "c" * 197 + "1",
    "macrocycle": "C1" + "CC=C" * 60 + "1",
    "stereo centres": "C" + "[C@H](O)" * 99,
    "alternating stereo centres": "O" + "[C@H](O)[C@@H](O)" * 50 + "C",
    "unspecified stereo centres": "C" + "C(F)(Cl)" * 66,
    "unspecified double bonds": "C(C=CC)=C" * 40,
    "inositols": "C" + "C(C2C(O)C(O)C(O)C(O)C2O)" * 16,
    "dendrimer": tree(4),
    "dendrimer of fluorine": tree(4, "F"),
    "nested": "C" + "(C" * 199 + ")" * 199,
    "nested to the limit": "C" + "(C" * 333 + ")" * 333,
    "parentheses alone": "(" * 1000,
    "brackets alone": "[" * 1000,
    "fragments": "C" + ".C" * 199,
    "more fragments": "C" + ".C" * 499,
    "protons": "C" + ".[H+]" * 199,
    "hydrogens": "C" + ".[H]" * 249,
    "salts": "C" + ".[Na+]" * 166,
    "distinct fragments": ".".join("C" * n for n in range(1, 19)),
    "charges": "C([NH3+])C([O-])" * 40,
    "diazonium": "[n+]" * 200,
    "spiro": "C1CC2(C1)CC1(C2)" * 12,
    "hub": "[U]" + "".join(f"%{i}" for i in range(10, 50)) + "".join(f"C%{i}" for i in range(10, 50)),
    "star": "[U]" + "(F)" * 199,
    "ring labels": "C" + "".join(f"%({i})" for i in range(140)),
    "same ring label": "C1" * 500,
    "isotopes": "[13CH2]" * 142,
    "overflowing numbers": "[C+999999999]" * 76,
}


def pytest_generate_tests(metafunc):
    if "hostile" in metafunc.fixturenames:
        metafunc.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())


class Reader:
    """A process that reads SMILES; started anew after it was killed."""

    def __init__(self):
        self.process = None

    def ask(self, smiles):
        if self.process is None or self.process.poll() is not None:
            command = [sys.executable, "-c", READER]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(smiles) + "\n")
        self.process.stdin.flush()
        killer = threading.Timer(KILL_AFTER, self.process.kill)
        killer.start()
        try:
            answer = self.process.stdout.readline()
        finally:
            killer.cancel()
        if not answer:
            pytest.fail(f"no answer, exit status {self.process.wait()}: hangs or crashes")
        return json.loads(answer)


@pytest.fixture(scope="module")
def reader():
    found = Reader()
    yield found
    if found.process:
        found.process.stdin.close()
        found.process.wait(KILL_AFTER)
        found.process.stdout.close()


def test_answered(hostile, reader):
    answer = reader.ask(hostile)
    if isinstance(answer, list):
        heavy, tokens = answer
        assert 0 < heavy <= tokens <= 200
    else:
        assert answer in {"too-long", "too-many-atoms", "too-many-rings", "unparsable"}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("long ladder of N", "too-many-rings"),  # 3 s without the limit
        ("cage of P", "too-many-rings"),  # 21 independent rings, but 150 smallest ones: 2 s
        ("large cage of p", "too-many-rings"),  # 6 s
        ("two fullerenes", "too-many-rings"),
        ("nested to the limit", "too-many-atoms"),
        ("more fragments", "too-many-atoms"),
        ("overflowing numbers", "unparsable"),
    ],
)
def test_refused_before_the_expensive_step(name, code, reader):
    assert reader.ask(HOSTILE[name]) == code


def test_a_reader_that_hangs_would_be_found(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "READER", "import time; time.sleep(60)")
    monkeypatch.setattr(sys.modules[__name__], "KILL_AFTER", 0.5)
    with pytest.raises(pytest.fail.Exception, match="hangs"):
        Reader().ask("C")
