"""The network in torch and as ONNX: the same numbers, whatever the padding, the batch and the order of the atoms."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from rdkit import Chem

from olfactory_transformer.core.config import ModelConfig
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.inference.runtime import OnnxRuntime, RawOutputs
from olfactory_transformer.model.onnx_export import export_onnx
from olfactory_transformer.model.tokenizer import MoleculeTokenizer, collate
from olfactory_transformer.model.transformer import OlfactoryTransformer, Outputs
from olfactory_transformer.molecules import Molecule, read_molecule

SMILES = [
    "C", "CCO", "COc1cc(C=O)ccc1O", "C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(C)=CCC/C(C)=C/CO", "O", "[Cu]",
    "CC(C)=CCC/C(C)=C\\CO", "Cc1ccccc1O", "Cc1cccc(O)c1", "Cc1ccc(O)cc1", "C12C3C4C1C5C2C3C45", "C" * 200,
]  # fmt: skip
CONFIG = ModelConfig(
    words=("fruity", "green", "rose"), ratings=("intensity", "valence"), isomeric=("minty",) * 4,
    profile=("Citrus",) * 5, atlas=("LEMON",) * 6, width=24, layers=2, heads=3, feedforward=32,
    embedding=20, name="tiny", version="3",
)  # fmt: skip
tokenizer = MoleculeTokenizer()
TOKENS = [tokenizer(read_molecule(smiles)) for smiles in SMILES]


@pytest.fixture(scope="module")
def network():
    """A network with random weights, in its relation bias and statistics, too, which start as constants."""
    torch.manual_seed(3)
    network = OlfactoryTransformer(CONFIG).eval()
    with torch.no_grad():
        torch.nn.init.normal_(network.encoder.relation_bias.weight)
        for layer in network.hands.values():
            torch.nn.init.normal_(layer.weight, std=0.1)
        for head in (network.heads["ratings"], network.heads["threshold"]):
            head.mean.normal_()
            head.scale.uniform_(0.5, 2)
        for tensor in network.state_dict().values():
            tensor.copy_(tensor.half())  # as they are kept
    return network


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "tiny"
    network.save_pretrained(path, card="# tiny\n")
    return path


@torch.no_grad()
def run(network, tokens, length=None, log_dilution=-3.0) -> Outputs:
    batch = collate(tokens, length)
    dilutions = torch.full((len(tokens),), log_dilution)
    inputs = (
        torch.from_numpy(array) for array in (batch.atoms, batch.relations, batch.fingerprint, batch.hands)
    )
    return network(*inputs, dilutions)


def assert_same(one, other, tolerance=1e-4):
    for field, a in zip(Outputs._fields, one, strict=True):
        b = getattr(other, field) if isinstance(other, RawOutputs) else other[Outputs._fields.index(field)]
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=tolerance, rtol=1e-4, err_msg=field)


WIDTHS = (20, 3, 4, 2, 5, 6, 1, 1, 2)  # of the outputs, in their order


def test_shapes(network):
    found = run(network, TOKENS)
    n = len(TOKENS)
    assert [tuple(output.shape) for output in found] == [(n, w) for w in WIDTHS]
    assert all(bool(torch.isfinite(output).all()) for output in found)


def test_alone_or_padded_or_in_a_batch(network):
    together = run(network, TOKENS)
    for row, tokens in enumerate(TOKENS):
        here = [output[row : row + 1] for output in together]
        assert_same(run(network, [tokens]), here)
    assert_same(run(network, TOKENS[:3], 40), run(network, TOKENS[:3]))


def test_the_order_of_the_atoms_does_not_matter(network):
    rng = np.random.default_rng(2)
    for smiles, tokens in zip(SMILES[:13], TOKENS, strict=False):
        molecule = read_molecule(smiles)
        order = [int(i) for i in rng.permutation(len(tokens))]
        mol = Chem.RenumberAtoms(molecule.rdmol, order)
        assert_same(run(network, [tokenizer(Molecule(smiles, molecule.smiles, mol))]), run(network, [tokens]))


def test_different_molecules_differ(network):
    found = run(network, TOKENS).words
    distance = torch.cdist(found, found) + torch.eye(len(found))
    assert float(distance.min()) > 1e-4  # isomers by stereo and by position among them


def test_without_stereo_the_log_odds_are_the_mean_of_the_mirror_images(network):
    names = ("CC1=CC[C@@H](CC1=O)C(C)=C", "CC1=CC[C@H](CC1=O)C(C)=C", "CC1=CCC(CC1=O)C(C)=C")
    one, other, neither = ([t] for t in map(tokenizer, map(read_molecule, names)))
    first, second, found = run(network, one), run(network, other), run(network, neither)
    for name in ("words", "isomeric"):
        a, b = getattr(first, name), getattr(second, name)
        assert float((a - b).abs().min()) > 1e-4
        np.testing.assert_allclose((a + b) / 2, getattr(found, name), atol=1e-5)
    assert torch.equal(first.atlas, found.atlas)


def test_only_ratings_and_profile_depend_on_the_dilution(network):
    one, other = run(network, TOKENS, log_dilution=-5.0), run(network, TOKENS, log_dilution=-1.0)
    for field in Outputs._fields:
        same = torch.equal(getattr(one, field), getattr(other, field))
        assert same == (field not in ("ratings", "profile"))
    # Beyond the dilutions asked, the nearest answers.
    assert_same(run(network, TOKENS, log_dilution=-7.0), run(network, TOKENS, log_dilution=-30.0))
    assert_same(run(network, TOKENS, log_dilution=0.0), run(network, TOKENS, log_dilution=3.0))


def test_onnx_agrees_with_torch(network, folder):
    runtime = OnnxRuntime(folder / "model.onnx", threads=1)
    dilutions = np.full(len(TOKENS), -3.0, np.float32)
    together = runtime.run(TOKENS, dilutions)  # in batches by length, put back in order
    assert_same(run(network, TOKENS), together)
    for row, tokens in enumerate(TOKENS):
        alone = runtime.run([tokens], dilutions[:1])
        assert_same(run(network, [tokens]), alone)
        np.testing.assert_allclose(alone.words[0], together.words[row], atol=1e-4)
    assert runtime.widths == WIDTHS


def test_the_graph_keeps_what_fits_into_half_precision_so(network, folder, tmp_path):
    import onnx

    def large(path):
        return {i.name: i.data_type for i in onnx.load(path).graph.initializer if np.prod(i.dims) >= 1024}

    kept = large(folder / "model.onnx")
    assert kept and set(kept.values()) == {onnx.TensorProto.FLOAT16}
    finer = copy.deepcopy(network)
    with torch.no_grad():
        finer.dense["words"].weight.add_(1e-6)
    export_onnx(finer, tmp_path / "model.onnx")
    assert onnx.TensorProto.FLOAT in large(tmp_path / "model.onnx").values()
    dilutions = np.full(len(TOKENS), -3.0, np.float32)
    assert_same(run(finer, TOKENS), OnnxRuntime(tmp_path / "model.onnx", threads=1).run(TOKENS, dilutions))


def test_each_molecule_keeps_its_dilution(network, folder):
    runtime = OnnxRuntime(folder / "model.onnx", threads=1)
    dilutions = np.linspace(-6, 0, len(TOKENS)).astype(np.float32)
    together = runtime.run(TOKENS, dilutions).ratings
    for row, tokens in enumerate(TOKENS):
        expected = run(network, [tokens], log_dilution=float(dilutions[row])).ratings[0]
        np.testing.assert_allclose(together[row], expected, atol=1e-4, rtol=1e-4)


def test_saved_and_loaded(network, folder):
    again = OlfactoryTransformer.from_pretrained(folder)
    assert again.config == CONFIG
    assert not again.training
    assert_same(run(network, TOKENS), run(again, TOKENS), 0)
    files = ["README.md", "config.json", "manifest.json", "model.onnx", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert (folder / "README.md").read_text() == "# tiny\n"
    predictor = ScentPredictor.from_pretrained(folder, threads=1)
    assert predictor.version == "tiny@3"
    np.testing.assert_allclose(predictor.embed(SMILES), run(network, TOKENS).embedding, atol=1e-4)


def test_files_are_as_readable_as_any_other(folder, tmp_path):
    (tmp_path / "new").write_text("")
    mode = (tmp_path / "new").stat().st_mode
    assert {path.stat().st_mode for path in folder.iterdir()} == {mode}


def test_saving_leaves_the_model_as_it_was(network, tmp_path):
    network.train()
    try:
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        network.save_pretrained(tmp_path / "again")
        assert network.training
        assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    finally:
        network.eval()
