import numpy as np
import pytest
import torch

from olfactory_transformer.core.errors import (
    DataError,
    ModelCorrupt,
    ModelForeign,
    ModelNotFound,
    MoleculeError,
)
from olfactory_transformer.inference.mixture_parts import (
    Mixtures,
    gather,
    inner,
    own_inner,
    weights,
)
from olfactory_transformer.inference.mixtures import MixtureModel, read_safetensors
from olfactory_transformer.inference.pairs import distance
from olfactory_transformer.model.mixture import PairNetwork
from olfactory_transformer.train.state import save_state


def embed(smiles):
    table = np.array([[len(s), s.count("O"), s.count("C")] for s in smiles], float)
    return table, 1 / (1 + np.exp(-table[:, :2] / 9))


def test_gather_embeds_each_molecule_once_however_it_is_written():
    components, mixtures = gather(embed, [[("OCC", 0.1), ("CCN", 1.0)], [("CCO", 0.01)]])
    assert components.embedding.shape == (2, 3)
    assert mixtures.molecule.tolist() == [[0, 1], [0, 0]]
    assert mixtures.present.tolist() == [[True, True], [True, False]]
    assert mixtures.log_dilution.tolist() == [[-1, 0], [-2, 0]]
    assert mixtures.membership(2).tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("stimulus", [[], [("CCO", 0.0)], [("CCO", 1.5)], [("CCO", float("nan"))]])
def test_gather_refuses_what_is_no_stimulus(stimulus):
    with pytest.raises(DataError, match="stimulus 2"):
        gather(embed, [[("CCO", 0.1)], stimulus])


def test_gather_refuses_a_text_that_is_no_molecule():
    with pytest.raises(MoleculeError):
        gather(embed, [[("no molecule", 0.1)]])


def test_gather_refuses_a_network_that_says_nan_or_too_little():
    with pytest.raises(DataError, match="NaN"):
        gather(lambda s: (np.full((len(s), 2), np.nan), np.zeros((len(s), 2))), [[("C", 1.0)]])
    with pytest.raises(DataError, match="got arrays"):
        gather(lambda s: (np.zeros((5, 2)), np.zeros((len(s), 2))), [[("C", 1.0)]])


def test_inner_products_are_sums_over_pairs_of_components():
    rng = np.random.default_rng(0)
    present = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 1, 1]], bool)
    molecule = rng.integers(0, 5, (4, 3)) * present
    mixtures = Mixtures(molecule, rng.uniform(-4, 0, (4, 3)) * present, present)
    alike = rng.random((5, 5))
    alike += alike.T
    share = weights(mixtures, 0.2)
    expected = np.zeros((4, 4))
    for i, j, k, m in np.ndindex(4, 4, 3, 3):
        step = abs(mixtures.log_dilution[i, k] - mixtures.log_dilution[j, m])
        near = alike[molecule[i, k], molecule[j, m]] * np.exp(-step / 2)
        expected[i, j] += share[i, k] * share[j, m] * near
    np.testing.assert_allclose(share.sum(1), 1)
    np.testing.assert_allclose(inner(alike, mixtures, mixtures, 0.2, 2.0), expected)
    np.testing.assert_allclose(own_inner(alike, mixtures, 0.2, 2.0), np.diag(expected))


def test_the_network_in_numpy_says_what_it_says_in_torch():
    torch.manual_seed(0)
    network = PairNetwork(features=6, facts=3).eval()
    torch.nn.init.normal_(network.known.weight)
    molecules, known = torch.randn(7, 6), torch.randn(4, 3)
    first, second = ((torch.rand(4, 7) < 0.5).float() for _ in range(2))
    first[:, 0] = second[:, 1] = 1
    with torch.no_grad():
        expected = network(molecules, first, second, known).numpy()
    state = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
    arrays = (t.double().numpy() for t in (molecules, first, second, known))
    np.testing.assert_allclose(distance(*arrays, state), expected, atol=1e-5)


def test_loading_says_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "mixtures.safetensors"
    with pytest.raises(ModelNotFound):
        MixtureModel.load(path)
    save_state(path, {"blends": {"key": torch.zeros(1)}}, {"format": "other"})
    with pytest.raises(ModelForeign, match="other"):
        MixtureModel.load(path)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(ModelCorrupt):
        MixtureModel.load(path)
    path.write_bytes(b"PK")
    with pytest.raises(ModelCorrupt):
        MixtureModel.load(path)


def test_arrays_are_read_as_they_were_written(tmp_path):
    tensors = {"real": torch.randn(2, 3), "whole": torch.arange(4), "yes": torch.tensor([True, False])}
    save_state(tmp_path / "x", {"g": tensors}, {"a": [1, 2]})
    arrays, values = read_safetensors(tmp_path / "x")
    assert values == {"a": [1, 2]}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(arrays[f"g/{name}"], tensor.numpy())
