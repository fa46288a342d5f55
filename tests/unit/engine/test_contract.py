"""One suite for every engine."""

import math
from dataclasses import fields

import anyio
import pytest

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import (
    EngineBusy,
    EngineFault,
    EngineNotReady,
    ModelNotFound,
    MoleculeError,
    UnknownWord,
)
from olfactory_transformer.engine.contract import Engine, EngineState, check_dilution, finite
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.engine.slot import Pace

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio"


def new(kind) -> Engine:
    return FakeEngine() if kind == "fake" else PoolEngine(workers=1, pace=Pace(items=2))


@pytest.fixture(scope="module", params=["fake", "pool"])
async def engine(request):
    """An engine that is warm, shared by the tests that leave it as it is."""
    engine = new(request.param)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture(params=["fake", "pool"])
async def cold(request):
    engine = new(request.param)
    yield engine
    await engine.stop()


class Seen:
    def __init__(self):
        self.batches = []

    def batch_done(self, items, tokens, seconds):
        self.batches.append((items, seconds))

    def waited(self, seconds):
        assert seconds >= 0

    def rejected(self, reason):
        raise AssertionError(reason)

    def restarted(self, reason):
        raise AssertionError(reason)


async def test_refuses_work_until_warm(cold):
    assert cold.state is EngineState.STARTING
    with pytest.raises(EngineNotReady):
        await cold.predict(["CCO"])
    await cold.start()
    assert cold.state is EngineState.READY
    assert len(await cold.predict(["CCO"])) == 1
    assert (cold.load.queued, cold.load.ready) == (0, cold.load.workers)


async def test_takes_no_work_when_it_stops(cold):
    await cold.start()
    await cold.stop()
    with pytest.raises(EngineBusy, match="draining"):
        await cold.predict(["CCO"])
    with pytest.raises(EngineBusy, match="draining"):
        await cold.draw("CCO", "svg")
    await cold.stop()


async def test_outcomes_are_in_place(engine):
    texts = ["CCO", "C1CC", "CCCC=O", "", "\ud800", "CCO name", "C" * 3000, "c1ccccc1"]
    outcomes = await engine.predict(texts)
    assert [type(o) is ScentPrediction for o in outcomes] == [True, False, True, *[False] * 4, True]
    assert all(isinstance(o, ScentPrediction | MoleculeError) for o in outcomes)
    assert [o.code for o in outcomes if isinstance(o, MoleculeError)] == [
        "unparsable",
        "empty",
        "forbidden-character",
        "trailing-text",
        "too-long",
    ]
    assert [o.smiles for o in outcomes if isinstance(o, ScentPrediction)] == ["CCO", "CCCC=O", "c1ccccc1"]


async def test_a_prediction_is_whole_and_finite(engine):
    (found,) = await engine.predict(["COc1cc(C=O)ccc1O"], 1e-5)
    assert tuple(found.words) == engine.info.words
    assert set(found.primary_notes) <= set(engine.info.words)
    assert found.model_version == engine.info.full_version
    assert found.dilution == 1e-5
    numbers = [getattr(found, f.name) for f in fields(found)]
    assert all(math.isfinite(n) for n in [*numbers, *found.words.values()] if isinstance(n, float))
    assert all(0 <= p <= 1 for p in found.words.values())


async def test_a_list_says_what_single_requests_say(engine):
    texts = ["CCO", "CCCCCCCC=O", "CC(=O)OCC"]
    together = await engine.predict(texts)
    for text, found in zip(texts, together, strict=True):
        (alone,) = await engine.predict([text])
        assert alone.words == pytest.approx(found.words, abs=1e-5)


async def test_a_molecule_not_its_spelling_is_predicted(engine):
    one, other = await engine.predict(["OCC", "C(O)C"])
    assert one.canonical_smiles == other.canonical_smiles
    assert one.words == pytest.approx(other.words, abs=1e-5)


async def test_an_empty_list_gives_one(engine):
    assert await engine.predict([]) == []


@pytest.mark.parametrize("dilution", [0, -1e-3, 1.5, math.nan, math.inf])
async def test_a_dilution_is_a_volume_fraction(engine, dilution):
    with pytest.raises(ValueError, match="dilution"):
        await engine.predict(["CCO"], dilution)


@pytest.mark.parametrize("dilution", [1, 5e-324])
async def test_extreme_dilutions_are_answered(engine, dilution):
    (found,) = await engine.predict(["CCO"], dilution)
    assert math.isfinite(found.intensity)


async def test_tells_its_observer_of_all_molecules(engine):
    seen = Seen()
    engine.attach(seen)
    await engine.predict(["CCN", "C1CN", "CCCN"])
    assert sum(items for items, _ in seen.batches) == 3
    assert all(seconds >= 0 for _, seconds in seen.batches)


async def test_requests_at_once_do_not_mix(engine):
    texts = ["C" * n for n in range(1, 9)]
    found = {}

    async def ask(text):
        found[text] = (await engine.predict([text, "CCO"]))[0].canonical_smiles

    async with anyio.create_task_group() as tasks:
        for text in texts:
            tasks.start_soon(ask, text)
    assert found == {text: text for text in texts}


async def test_draws(engine):
    assert (await engine.draw("CCO", "svg")).startswith(b"<svg")
    assert (await engine.draw("CCO", "png", engine.info.words[0])).startswith(b"\x89PNG")
    with pytest.raises(MoleculeError):
        await engine.draw("CCO(", "svg")
    with pytest.raises(UnknownWord):
        await engine.draw("CCO", "svg", "no such word")


async def test_loads_its_model_again(engine):
    assert await engine.reload() == engine.info
    assert isinstance((await engine.predict(["CCO"]))[0], ScentPrediction)


async def test_a_model_that_is_not_there_changes_nothing(engine):
    before = engine.info
    with pytest.raises(ModelNotFound):
        await engine.reload("no-such-model")
    assert engine.info == before
    assert engine.state is EngineState.READY


@pytest.mark.parametrize(
    "bad",
    [
        ScentPrediction(intensity=math.nan),
        ScentPrediction(words={"musk": math.inf}),
        ScentPrediction(log_inverse_threshold=math.nan),
        ScentPrediction(log_inverse_threshold=-400.0),  # 10**400 ppm
        ScentPrediction(confidence=-math.inf),
    ],
)
def test_numbers_that_are_not_finite_are_a_fault(bad):
    assert isinstance(finite(bad), EngineFault)


def test_what_is_finite_is_left_alone():
    good = ScentPrediction(intensity=1.0, words={"musk": 0.5}, log_inverse_threshold=3.0)
    assert finite(good) is good
    check_dilution(1)
