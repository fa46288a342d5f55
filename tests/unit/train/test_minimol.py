"""MiniMol's network written anew: what the package's own code says, and what is missing or damaged."""

import numpy as np
import pytest

from olfactory_transformer.core.errors import MissingMiniMol
from olfactory_transformer.train import minimol
from olfactory_transformer.train.minimol import WIDTH, minimol_embeddings, read_embeddings

# Places 0, 100, 200 and 511, by minimol 1.3.5 and graphium 2.4.7 themselves.
PUBLISHED = {
    "CCCCCC=O": (-0.1312, 0.1945, 0.8800, 0.4074),
    "COc1cc(C=O)ccc1O": (-0.0629, 0.4776, 1.0460, 0.6197),
    r"CC/C=C\CCO": (-0.1255, 0.0185, 1.0930, 0.3389),
    "CC/C=C/CCO": (-0.1265, 0.0041, 1.1958, 0.3517),
    "C[N+](C)(C)CC(=O)[O-]": (0.1893, 0.1097, 1.6186, 0.3271),
    "C[Si](C)(C)C": (-0.0245, -0.1295, 0.7177, 0.7221),
}


def test_embeddings_are_those_of_the_package():
    found = minimol_embeddings(list(PUBLISHED))
    np.testing.assert_allclose(found[:, [0, 100, 200, 511]], list(PUBLISHED.values()), atol=5e-4)


def test_a_molecule_alone_or_written_otherwise_has_the_same_embedding():
    alone, other = minimol_embeddings(["OCCC=CCC"]), minimol_embeddings(["O", "C(CC=CCC)O", "[Zn]", "CCC.O"])
    np.testing.assert_allclose(alone[0], other[1], atol=1e-4)
    assert np.isfinite(other).all() and other.shape == (4, WIDTH)


def test_nothing_is_embedded_of_nothing():
    assert minimol_embeddings([]).shape == (0, WIDTH)


def test_embeddings_are_computed_once_for_the_same_molecules(tmp_path):
    path = tmp_path / "folder" / "minimol.npz"
    first = read_embeddings(["CCO", "CCCO"], path)
    stamp = path.stat().st_mtime_ns
    np.testing.assert_array_equal(read_embeddings(["CCO", "CCCO"], path), first)
    assert path.stat().st_mtime_ns == stamp
    assert read_embeddings(["CCO"], path).shape == (1, WIDTH)
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(read_embeddings(["CCO", "CCCO"], path), first)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(minimol, "find_spec", lambda name: None)
    with pytest.raises(MissingMiniMol, match=r"pip install --no-deps minimol==1\.3\.5"):
        minimol_embeddings(["CCO"])
