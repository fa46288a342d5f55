"""What the README and the model card promise of the weights that ship."""

from itertools import islice

import numpy as np
import pytest
import torch

from olfactory_transformer import OlfactoryTransformer, ScentPredictor
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.model.folder import BUNDLED, resolve
from olfactory_transformer.model.tokenizer import collate
from olfactory_transformer.model.transformer import PROCESSES
from olfactory_transformer.molecules import read_molecule
from olfactory_transformer.train.structures import listed_compounds


@pytest.fixture(scope="module")
def predictor():
    return ScentPredictor.from_pretrained("olfactory-base-v1")


def readable(texts):
    for text in texts:
        try:
            yield read_molecule(text)
        except MoleculeError:
            continue


def test_onnx_and_torch_agree_on_a_thousand_molecules(predictor):
    molecules = list(islice(readable(listed_compounds()), 1000))
    tokens = [predictor.tokenizer(molecule) for molecule in molecules]
    dilution = np.linspace(-6, 0, len(tokens), dtype=np.float32)
    served = predictor.runtime.run(tokens, dilution)
    network = OlfactoryTransformer.from_pretrained("olfactory-base-v1")
    for start in range(0, len(tokens), 50):
        batch = collate(tokens[start : start + 50])
        with torch.inference_mode():
            trained = network(
                torch.from_numpy(batch.atoms),
                torch.from_numpy(batch.relations),
                torch.from_numpy(batch.fingerprint),
                torch.from_numpy(batch.hands),
                torch.from_numpy(dilution[start : start + 50]),
            )
        for name, tensor in trained._asdict().items():
            difference = tensor.numpy() - getattr(served, name)[start : start + 50]
            # Boiling points go to 500, atlas percentages to 100: numbers are compared in units of their spread.
            # A Gaussian process adds hundreds of terms of either sign, in another order.
            heads = dict(network.heads.items())
            scale = getattr(heads.get(name), "scale", torch.ones(1)).numpy()
            assert np.abs(difference / scale).max() < (1e-3 if name in PROCESSES else 1e-4), name


@pytest.mark.parametrize(
    ("smiles", "expected"),
    [
        ("COc1cc(C=O)ccc1O", {"vanilla"}),  # vanillin
        ("CCCCCCCC=O", {"aldehydic", "citrus", "waxy", "fatty", "orange", "green"}),  # octanal
        ("CC(=O)OCC", {"ethereal", "fruity", "solvent", "sweet"}),  # ethyl acetate
        ("CC(C)=CCCC(C)=CC=O", {"citrus", "lemon"}),  # citral
    ],
    ids=["vanillin", "octanal", "ethyl acetate", "citral"],
)
def test_known_odorants_smell_as_a_perfumer_would_say(predictor, smiles, expected):
    assert expected & set(predictor.predict(smiles).primary_notes[:3])


def test_intensity_rises_with_concentration(predictor):
    weak, strong = (predictor.predict("COc1cc(C=O)ccc1O", dilution).intensity for dilution in (1e-5, 1e-1))
    assert weak < strong


@pytest.mark.parametrize(
    "odourless",
    ["OCC1OC(OC2(CO)OC(CO)C(O)C2O)C(O)C(O)C1O", "OC(=O)CC(O)(CC(=O)O)C(=O)O", "NCC(=O)O", "C"],
    ids=["sucrose", "citric acid", "glycine", "methane"],
)
def test_what_does_not_smell_is_odourless(predictor, odourless):
    ester, other = predictor.predict(["CCCC(=O)OCC", odourless])
    assert other.odorless_probability > 0.5 > ester.odorless_probability


def test_the_weights_are_small():
    for name, most in (("olfactory-base-v1", 40e6), ("smellnet-base-v1", 10e6)):
        assert 0 < sum(path.stat().st_size for path in (BUNDLED / name).iterdir()) < most


def test_the_card_names_the_terms_of_the_data():
    card = (resolve("olfactory-base-v1") / "README.md").read_text()
    assert "research" in card and "CC BY-NC 4.0" in card and "macro AUROC" in card


def test_the_graph_names_no_folder_of_the_machine_that_exported_it():
    graph = (resolve("olfactory-base-v1") / "model.onnx").read_bytes()
    assert b"site-packages" not in graph and b".py" not in graph
