from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from olfactory_transformer.core.applicability import Domain
from olfactory_transformer.model.folder import write_manifest
from olfactory_transformer.model.reference import Reference, nearest_distance, read_reference, unit
from olfactory_transformer.train.reference import write_reference


@pytest.fixture
def reference() -> Reference:
    codes = np.random.default_rng(0).integers(-127, 128, (300, 8)).astype(np.int8)
    names = ("CCO", *[""] * 298, "C")
    distances = np.linspace(0, 0.5, 101).astype(np.float32)
    return Reference(codes, np.full(8, 0.01, np.float32), names, Domain(9, ("C", "H")), distances)


def test_it_is_read_as_it_was_written(reference, tmp_path):
    assert read_reference(tmp_path, 8) is None
    write_manifest(tmp_path)
    write_reference(tmp_path, reference)
    found = read_reference(tmp_path, 8)
    assert found is not None
    assert (found.smiles, found.domain) == (reference.smiles, reference.domain)
    for name in ("codes", "scale", "distances", "vectors"):
        np.testing.assert_array_equal(getattr(found, name), getattr(reference, name))
    assert found.named.tolist() == [0, 299]


def test_distances_are_means_over_the_nearest(reference):
    queries = np.random.default_rng(1).normal(size=(200, 8)).astype(np.float32)
    every = np.sort(1 - unit(queries) @ reference.vectors.T, axis=1)
    np.testing.assert_allclose(reference.distance(queries), every[:, :5].mean(1), atol=1e-6)
    assert reference.distance(queries[:0]).shape == (0,)
    assert nearest_distance(np.ones((1, 1), np.float32), 1) == [0]


def test_what_fills_the_last_block_is_nobodys_neighbour():
    codes = np.random.default_rng(0).integers(1, 128, (70, 256)).astype(np.int8)
    distances = np.linspace(0, 2, 101).astype(np.float32)
    one_side = Reference(codes, np.full(256, 0.01, np.float32), ("",) * 70, Domain(9, ("C",)), distances)
    queries = -np.random.default_rng(1).random(
        (33, 256), np.float32
    )  # on the other side: all are further than 1
    every = np.sort(1 - unit(queries) @ one_side.vectors.T, axis=1)
    assert every.min() > 1.5
    np.testing.assert_allclose(one_side.distance(queries), every[:, :5].mean(1), atol=1e-6)


SEARCH = """
import pathlib
import numpy as np
from olfactory_transformer.core.applicability import Domain
from olfactory_transformer.model.reference import Reference

codes = np.random.default_rng(0).integers(-127, 128, (7000, 256)).astype(np.int8)
reference = Reference(codes, np.ones(256, np.float32), ("",) * 7000, Domain(9, ()), np.zeros(101, np.float32))
queries = np.random.default_rng(1).normal(size=(128, 256)).astype(np.float32)
for _ in range(100):
    reference.distance(queries)
    sum(range(100_000))  # whatever else a batch takes
tasks = pathlib.Path("/proc/self/task").iterdir()
ran = {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks}
main = ran.pop(str(__import__("os").getpid()))
print(sum(ran.values()) / main)
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs the kernel's times of threads")
def test_no_thread_of_blas_spins_after_a_search():
    done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.4  # of the main thread's time; with one product for all it is about 1


def test_percentiles(reference):
    found = reference.percentile(np.array([0.0, 0.25, 0.5, 2.0], np.float32))
    assert found.tolist() == pytest.approx([0, 50, 100, 100])
