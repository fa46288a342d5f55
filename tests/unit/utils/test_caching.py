"""`ModelCache` and `PredictionCache`, with real predictions of a small model."""

from __future__ import annotations

import re
import textwrap
import threading
from pathlib import Path

import pytest

from olfactory_transformer import ScentPrediction, ScentPredictor, read_molecule
from olfactory_transformer.core.errors import EmptyMolecule, MoleculeError, NotText
from olfactory_transformer.utils.caching import (
    ModelCache,
    PredictionCache,
    as_asked,
    as_stored,
    prediction_key,
)
from olfactory_transformer.utils.codec import decode_prediction

SALT = "[Na+].CC([O-])=O"  # acetic acid, with two warnings about how it is spelt


@pytest.fixture(scope="module")
def predictor(small_model):
    return ScentPredictor.from_pretrained(small_model, threads=1)


@pytest.fixture
def model_cache(tmp_path):
    cache = ModelCache(tmp_path / "cache", memory_cache_size=100)
    yield cache
    cache.close()


class Recorder:
    """A predictor that remembers what it was asked."""

    def __init__(self, predictor):
        self._predictor, self.model_hash, self.asked = predictor, predictor.model_hash, []

    def predict(self, smiles):
        self.asked.append(smiles)
        return self._predictor.predict(smiles)


@pytest.fixture
def recorder(predictor):
    return Recorder(predictor)


@pytest.fixture
def cache(model_cache):
    return PredictionCache(model_cache)


# -- keys ----------------------------------------------------------------------------------------------------


def test_keys_are_short_and_of_safe_characters():
    for smiles in ("C", "C" * 200, "C/C=C\\C", "[2H]C#N"):
        assert re.fullmatch("[a-z0-9]{65}", prediction_key("f" * 64, read_molecule(smiles).key, 1e-3))


def test_keys_tell_models_molecules_and_dilutions_apart():
    cco, coc = read_molecule("CCO").key, read_molecule("COC").key
    keys = [
        prediction_key(*parts)
        for parts in (("a", cco, 1e-3), ("b", cco, 1e-3), ("a", coc, 1e-3), ("a", cco, 1e-2), ("a", cco, 1))
    ]
    assert len(set(keys)) == 5
    assert prediction_key("a", cco, 1) == prediction_key("a", read_molecule("OCC").key, 1.0)


def test_as_stored_and_as_asked_undo_each_other(predictor):
    molecule = read_molecule(SALT)
    prediction = predictor.predict(SALT)
    stored = as_stored(prediction, molecule.warnings)
    assert stored.smiles == stored.canonical_smiles and len(stored.warnings) < len(prediction.warnings)
    assert as_asked(stored, SALT, [w.message for w in molecule.warnings]) == prediction


def alike(found, expected):
    """Hold predictions against each other; in another batch or order of atoms the last digits differ."""
    assert [(p.smiles, p.canonical_smiles, p.warnings) for p in found] == [
        (p.smiles, p.canonical_smiles, p.warnings) for p in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one.words == pytest.approx(other.words, rel=1e-3)


# -- what is predicted, and what is known --------------------------------------------------------------------


def test_only_what_is_not_known_is_predicted(cache, recorder, predictor):
    assert cache.get_or_predict("CCO", recorder.predict) == predictor.predict("CCO")
    found = cache.get_or_predict(["CCO", "CCC", "OCC", "CCCC", "CCC"], recorder.predict)
    assert recorder.asked == ["CCO", ["CCC", "CCCC"]]
    alike(found, predictor.predict(["CCO", "CCC", "OCC", "CCCC", "CCC"]))
    alike(cache.get_or_predict(["CCC"], recorder.predict), predictor.predict(["CCC"]))
    assert cache.get_or_predict([], recorder.predict) == [] and len(recorder.asked) == 2


def test_another_spelling_is_a_hit_with_its_own_text_and_warnings(cache, recorder, predictor):
    for first, second in ((SALT, "CC(=O)O"), ("C(=O)(O)CC", "[K+].CCC([O-])=O")):
        cache.get_or_predict(first, recorder.predict)
        asked = len(recorder.asked)
        found = cache.get_or_predict(second, recorder.predict)
        assert len(recorder.asked) == asked
        alike([found], [predictor.predict(second)])


def test_warnings_that_are_not_about_the_spelling_are_kept(cache, recorder, predictor):
    odd = "[Na+].[O-]C(=O)C[At]"  # astatine: a feature that the model does not know
    assert len(predictor.predict(odd).warnings) > len(read_molecule(odd).warnings)
    assert cache.get_or_predict(odd, recorder.predict) == predictor.predict(odd)
    assert cache.get_or_predict(odd, recorder.predict) == predictor.predict(odd) and len(recorder.asked) == 1


def test_dilutions_are_kept_apart(cache, predictor):
    strong = cache.get_or_predict("CCO", lambda s: predictor.predict(s, 0.1), 0.1)
    weak = cache.get_or_predict("CCO", predictor.predict)
    assert (strong.dilution, weak.dilution) == (0.1, 1e-3)
    with pytest.raises(ValueError, match=r"got a prediction at 0\.001, expected 0\.5"):
        cache.get_or_predict("CCO", predictor.predict, 0.5)


def test_the_next_process_finds_them(tmp_path, recorder):
    for _ in range(2):
        model_cache = ModelCache(tmp_path)
        PredictionCache(model_cache).get_or_predict(["CCO", "CCC"], recorder.predict)
        model_cache.close()
    assert recorder.asked == [["CCO", "CCC"]]


def test_what_lies_there_is_what_the_server_looks_for(model_cache, cache, predictor):
    cache.get_or_predict(SALT, predictor.predict)
    molecule = read_molecule(SALT)
    (data,) = model_cache.get_many([prediction_key(predictor.model_hash, molecule.key, 1e-3)])
    assert decode_prediction(data) == as_stored(predictor.predict(SALT), molecule.warnings)


def test_a_value_of_another_format_is_a_miss(model_cache, cache, recorder):
    key = prediction_key(recorder.model_hash, read_molecule("CCO").key, 1e-3)
    for data in (b"", b"\x02rest", b"\x01not one"):
        model_cache.set_many({key: data})
        cache.get_or_predict("CCO", recorder.predict)
    assert len(recorder.asked) == 3


# -- which model ---------------------------------------------------------------------------------------------


def test_models_are_kept_apart(cache, recorder, predictor):
    other = Recorder(predictor)
    other.model_hash = "0" * 64
    cache.get_or_predict("CCO", recorder.predict)
    cache.get_or_predict("CCO", other.predict)
    assert recorder.asked == other.asked == ["CCO"]


def test_another_model_than_the_one_named_is_refused(model_cache, predictor):
    cache = PredictionCache(model_cache, model_hash="0" * 64)
    with pytest.raises(ValueError, match=f"got the model {predictor.model_hash[:12]}, expected 000000000000"):
        cache.get_or_predict("CCO", predictor.predict)


def test_a_model_that_is_not_known_is_only_remembered_in_memory(tmp_path, recorder):
    one = PredictionCache(ModelCache(tmp_path))
    two = PredictionCache(one.model_cache)
    for cache in (one, one, two):
        cache.get_or_predict("CCO", lambda smiles: recorder.predict(smiles))
    assert recorder.asked == ["CCO", "CCO"]  # once for each object
    assert one.model_cache.stats(count=True)["disk"].entries == 0


def test_a_model_that_is_named_is_kept_for_any_function(tmp_path, recorder):
    for _ in range(2):
        cache = PredictionCache(ModelCache(tmp_path), model_hash=recorder.model_hash)
        cache.get_or_predict("CCO", lambda smiles: recorder.predict(smiles))
        cache.model_cache.close()
    assert recorder.asked == ["CCO"]


# -- what is asked -------------------------------------------------------------------------------------------


def test_a_function_of_one_molecule(cache, recorder, predictor):
    def one(smiles):
        recorder.asked.append(smiles)
        return predictor.predict(smiles if isinstance(smiles, str) else smiles[0])

    alike(cache.get_or_predict(["CCO", "CCC"], one), predictor.predict(["CCO", "CCC"]))
    assert recorder.asked == [["CCO", "CCC"], "CCO", "CCC"]


@pytest.mark.parametrize(
    ("predict", "error", "said"),
    [
        (lambda smiles: [], ValueError, "got 0 predictions, expected 2"),
        (lambda smiles: ["sweet", "musk"], TypeError, "got a str, expected a ScentPrediction"),
        (lambda smiles: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_what_a_function_does_wrong(cache, predict, error, said):
    with pytest.raises(error, match=said):
        cache.get_or_predict(["CCO", "CCC"], predict)


def test_made_up_predictions_are_returned_and_not_kept(model_cache, caplog):
    cache = PredictionCache(model_cache, model_hash="0" * 64)
    made_up = ScentPrediction(primary_notes=["test"], intensity=5.0)
    assert cache.get_or_predict(["CCO", "OCC", "CCC"], lambda smiles: made_up) == [made_up] * 3
    assert "not kept: 2" in caplog.text
    assert [s.entries for s in model_cache.stats(count=True).values()] == [0, 0]


def test_a_prediction_of_another_molecule_is_not_kept(cache, predictor, model_cache):
    cache.get_or_predict(["CCO", "CCC"], lambda smiles: predictor.predict(smiles[::-1]))
    assert model_cache.stats()["memory"].entries == 0


# -- what is no molecule -------------------------------------------------------------------------------------


def test_what_is_no_molecule_is_raised_before_anything_is_predicted(cache, recorder):
    with pytest.raises(EmptyMolecule):
        cache.get_or_predict("", recorder.predict)
    with pytest.raises(MoleculeError) as caught:
        cache.get_or_predict(["CCO", "CC("], recorder.predict)
    assert caught.value.__notes__ == ["in item 1 of the list; errors='return' goes on with the others"]
    assert recorder.asked == []


def test_or_returned_in_its_place(cache, recorder, predictor):
    found = cache.get_or_predict(["CC(", "CCO", 7], recorder.predict, errors="return")
    assert isinstance(found[0], MoleculeError) and isinstance(found[2], NotText)
    assert found[1] == predictor.predict("CCO") and recorder.asked == [["CCO"]]
    with pytest.raises(ValueError, match="errors: got 'ignore'"):
        cache.get_or_predict(["CCO"], recorder.predict, errors="ignore")


# -- the model cache -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"ttl_hours": 0},
        {"disk_cache_size_gb": 0},
        {"redis_timeout_ms": float("nan")},
        {"memory_cache_size": -1},
    ],
)
def test_sizes_and_times_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ModelCache(**wrong)


def test_cleaning_up(model_cache):
    model_cache.set_many({"a": b"1"})
    assert model_cache.cleanup_old_cache(max_age_days=7) == 0
    assert model_cache.cleanup_old_cache(max_age_days=-1) == 2
    assert model_cache.get_many(["a"]) == [None]


def test_clearing(model_cache):
    model_cache.set_many({"a": b"1", "b": b"2"})
    assert model_cache.clear() == 4 and model_cache.get_many(["a"]) == [None]


def test_threads_share_it(cache, predictor):
    wrong = []
    expected = {s: predictor.predict(s) for s in ("C" * n + "O" for n in range(1, 9))}

    def work():
        for text, prediction in expected.items():
            found = cache.get_or_predict(text, predictor.predict)
            if (found.smiles, found.primary_notes) != (text, prediction.primary_notes):
                wrong.append(text)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# -- the guide -----------------------------------------------------------------------------------------------

GUIDE = """
    from olfactory_transformer.utils.caching import ModelCache, PredictionCache

    def setup_production_cache():
        # Multi-tier caching
        model_cache = ModelCache(
            cache_dir="/cache/model",
            memory_cache_size=2000,
            disk_cache_size_gb=10
        )

        prediction_cache = PredictionCache(model_cache)

        # Cache warming
        common_molecules = [
            "CCO", "CC(C)O", "C1=CC=CC=C1", "CC(=O)OCC",
            "COC1=CC(=CC=C1O)C=O", "CC(C)CC1=CC=C(C=C1)C(C)C"
        ]

        def warm_predict(smiles):
            # Mock prediction for warming
            from olfactory_transformer.core.config import ScentPrediction
            return ScentPrediction(primary_notes=["test"], intensity=5.0)

        print("Warming cache with common molecules...")
        prediction_cache.get_or_predict(common_molecules, warm_predict)

        # Setup cache cleanup
        import threading
        import time

        def cache_cleanup_worker():
            while True:
                time.sleep(3600)  # Run every hour
                model_cache.cleanup_old_cache(max_age_days=7)

        cleanup_thread = threading.Thread(target=cache_cleanup_worker, daemon=True)
        cleanup_thread.start()

        return model_cache, prediction_cache
"""
MADE_UP = re.compile(r"        def warm_predict.*?intensity=5.0\)\n", re.DOTALL)


def set_up(snippet: str, folder: Path, **names):
    exec(textwrap.dedent(snippet.replace("/cache/model", str(folder))), names)
    return names["setup_production_cache"]()


def test_the_guides_snippet_with_real_predictions(tmp_path, predictor):
    snippet = MADE_UP.sub("", GUIDE).replace("warm_predict", "predictor.predict")
    model_cache, prediction_cache = set_up(snippet, tmp_path, predictor=predictor)
    assert [s.entries for s in model_cache.stats(count=True).values()] == [6, 6]
    alike([prediction_cache.get_or_predict("OCC", predictor.predict)], [predictor.predict("OCC")])
    assert model_cache.stats()["memory"].hits == 1


def test_the_guides_snippet_as_it_is_spoils_nothing(tmp_path, predictor):
    model_cache, prediction_cache = set_up(GUIDE, tmp_path)
    assert [s.entries for s in model_cache.stats(count=True).values()] == [0, 0]
    alike([prediction_cache.get_or_predict("CCO", predictor.predict)], [predictor.predict("CCO")])
