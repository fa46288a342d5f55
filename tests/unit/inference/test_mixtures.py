import tracemalloc

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
    Components,
    Mixtures,
    blocks,
    gather,
    inner,
    own_inner,
    weights,
)
from olfactory_transformer.inference.mixtures import MixtureModel
from olfactory_transformer.inference.pairs import distance
from olfactory_transformer.model.folder import MIXTURES, resolve
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


@pytest.mark.parametrize(
    "stimulus",
    [
        [],
        [("CCO", 0.0)],
        [("CCO", 1.5)],
        [("CCO", float("nan"))],
        [("CCO", "0.1")],
        [("CCO", None)],
        [("CCO", 10**400)],
        [("CCO", 1j)],
        [("CCO",)],
        ["CCO"],
        "CCO",
        [None],
    ],
)
def test_gather_refuses_what_is_no_stimulus(stimulus):
    with pytest.raises(DataError, match="stimulus 2"):
        gather(embed, [[("CCO", 0.1)], stimulus])


def test_gather_refuses_a_text_that_is_no_molecule():
    for wrong in ("no molecule", 7, None, ["CCO"]):
        with pytest.raises(MoleculeError):
            gather(embed, [[(wrong, 0.1)]])


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
    share = weights(mixtures, 0.2, rng.normal(size=5))
    expected = np.zeros((4, 4))
    for i, j, k, m in np.ndindex(4, 4, 3, 3):
        step = abs(mixtures.log_dilution[i, k] - mixtures.log_dilution[j, m])
        near = alike[molecule[i, k], molecule[j, m]] * np.exp(-step / 2)
        expected[i, j] += share[i, k] * share[j, m] * near
    np.testing.assert_allclose(share.sum(1), 1)
    np.testing.assert_allclose(inner(alike, mixtures, mixtures, (share, share), 0.5), expected)
    np.testing.assert_allclose(own_inner(alike, mixtures, share, 0.5), np.diag(expected))


def test_shares_follow_dilution_and_potency():
    mixtures = Mixtures(np.array([[0, 1, 0]]), np.array([[-1.0, -3.0, 0]]), np.array([[True, True, False]]))
    np.testing.assert_allclose(weights(mixtures, 0.5), [[10 / 11, 1 / 11, 0]])
    np.testing.assert_allclose(weights(mixtures, 0.5, np.log([1, 10])), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(weights(mixtures, 0.5, np.array([0, 1e6])), [[0, 1, 0]])


def test_the_network_in_numpy_says_what_it_says_in_torch():
    torch.manual_seed(0)
    network = PairNetwork(features=6, facts=3).eval()
    for layer in (network.known, network.slope):
        torch.nn.init.normal_(layer.weight)
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


def some_mixtures(count, largest, rng):
    present = np.arange(largest) < rng.integers(1, largest + 1, count)[:, None]
    molecule = rng.integers(0, 300, present.shape) * present
    return Mixtures(molecule, rng.uniform(-4, 0, present.shape) * present, present)


def test_blocks_have_every_stimulus_once_with_its_own_molecules():
    rng = np.random.default_rng(0)
    components = Components(np.arange(300) + 7, rng.random((300, 3)), rng.random((300, 2)))
    mixtures = [some_mixtures(400, largest, rng) for largest in (30, 4)]
    found = list(blocks(components, *mixtures))
    assert len(found) > 20
    assert [i for rows, _, _ in found for i in range(rows.start, rows.stop)] == list(range(400))
    for rows, some, sides in found:
        assert sum(side.molecule.size for side in sides) <= 512
        assert len(some.key) <= sum(side.present.sum() for side in sides)
        for side, whole in zip(sides, mixtures, strict=True):
            for row, number in enumerate(range(rows.start, rows.stop)):
                there, of = side.present[row], whole.present[number]
                molecules = whole.molecule[number, of]
                assert some.key[side.molecule[row, there]].tolist() == components.key[molecules].tolist()
                np.testing.assert_array_equal(
                    some.embedding[side.molecule[row, there]], components.embedding[molecules]
                )
                assert (side.log_dilution[row, there] == whole.log_dilution[number, of]).all()


def test_a_stimulus_larger_than_a_block_is_a_block():
    rng = np.random.default_rng(0)
    components = Components(np.arange(300), rng.random((300, 3)), rng.random((300, 2)))
    mixtures = Mixtures(rng.integers(0, 300, (3, 600)), np.zeros((3, 600)), np.ones((3, 600), bool))
    assert [rows for rows, _, _ in blocks(components, mixtures)] == [slice(i, i + 1) for i in range(3)]
    assert not list(blocks(components, mixtures.rows(np.arange(0))))


def test_each_of_many_is_predicted_as_alone():
    model = MixtureModel.load(resolve("olfactory-base-v1") / MIXTURES)
    rng = np.random.default_rng(1)
    components = Components(
        np.r_[model.blends.key[:100], model.pairs.arrays["key"][:100], np.arange(100)],
        rng.normal(size=(300, model.width[0])),
        rng.random((300, model.width[1])),
    )
    first, second = some_mixtures(150, 12, rng), some_mixtures(150, 5, rng)
    assert len(list(blocks(components, first, second))) > 3
    studies = [str(rng.choice([*model.pairs.studies, "another"])) for _ in range(150)]
    profiles = model.blends.predict(components, first)
    distances = model.pairs.predict(components, first, second, studies)
    assert profiles.shape == (150, len(model.columns)) and distances.std() > 0.01
    for row in (0, 70, 149):
        a, b = (side.rows(np.array([row])) for side in (first, second))
        np.testing.assert_allclose(model.blends.predict(components, a)[0], profiles[row], atol=1e-9)
        alone = model.pairs.predict(components, a, b, [studies[row]])
        np.testing.assert_allclose(alone[0], distances[row], atol=1e-9)


def test_memory_does_not_grow_with_the_number_of_blends():
    model = MixtureModel.load(resolve("olfactory-base-v1") / MIXTURES)
    rng = np.random.default_rng(1)
    components = Components(
        np.arange(300), rng.normal(size=(300, model.width[0])), rng.random((300, model.width[1]))
    )

    def peak(count):
        mixtures = some_mixtures(count, 10, np.random.default_rng(2))
        tracemalloc.start()
        model.blends.predict(components, mixtures)
        model.pairs.predict(components, mixtures, mixtures)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(60)  # what is kept
    assert peak(600) < 1.3 * peak(100)
