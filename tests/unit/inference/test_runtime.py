from __future__ import annotations

import onnxruntime as ort
import pytest

from olfactory_transformer.core.errors import DeviceError
from olfactory_transformer.inference.defaults import DEFAULT_MODEL
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.inference.runtime import LENGTHS, OnnxRuntime, padded_length, plan
from olfactory_transformer.model.folder import resolve


def test_lengths_cover_every_molecule_allowed():
    assert LENGTHS[-1] == 200 and list(LENGTHS) == sorted(LENGTHS)
    for atoms in range(1, 201):
        assert padded_length(atoms) >= atoms
        assert padded_length(atoms) in LENGTHS


def test_a_plan_has_every_molecule_once_in_bounded_batches():
    lengths = [(7 * i) % 200 + 1 for i in range(1500)]
    batches = plan(lengths)
    assert sorted(i for batch in batches for i in batch) == list(range(1500))
    for batch in batches:
        padded = {padded_length(lengths[i]) for i in batch}
        assert len(padded) == 1  # there are many of each length: none has to go along with longer ones
        assert len(batch) == 1 or (len(batch) <= 128 and len(batch) * padded.pop() ** 2 <= 400_000)


def test_few_molecules_go_along_with_longer_ones_but_not_many_or_with_much_longer_ones():
    assert plan([5, 9, 14]) == [[0, 1, 2]]
    assert plan([5] * 12 + [9]) == [list(range(12)), [12]]
    assert plan([5, 200]) == [[0], [1]]


def test_the_company_of_longer_molecules_changes_no_prediction():
    predictor = ScentPredictor.from_pretrained()
    texts = ["CCO", "CCCCCCCCCO", "COc1cc(C=O)ccc1O"]  # of 3, 10 and 11 heavy atoms
    together = predictor.predict(texts)
    for text, one in zip(texts, together, strict=True):
        alone = predictor.predict(text)
        assert alone.words == pytest.approx(one.words, abs=1e-5)
        assert alone.intensity == pytest.approx(one.intensity, abs=1e-4)


@pytest.mark.parametrize(("lengths", "batches"), [([], []), ([5], [[0]]), ([1000, 1000], [[0], [1]])])
def test_small_plans(lengths, batches):
    assert plan(lengths) == batches


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="there may be a GPU")
def test_a_gpu_that_cannot_be_used_is_told_of(monkeypatch, caplog):
    """ONNX Runtime with CUDA, on a machine whose driver does not fit, goes on with the processor."""
    path = resolve(DEFAULT_MODEL) / "model.onnx"
    built = ["CUDAExecutionProvider", *ort.get_available_providers()]
    monkeypatch.setattr(ort, "get_available_providers", lambda: built)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(DeviceError, match="cannot use the GPU"),
    ):
        OnnxRuntime(path, 1, "cuda")
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        OnnxRuntime(path, 1, "auto")
    assert "the processor predicts" in caplog.text
