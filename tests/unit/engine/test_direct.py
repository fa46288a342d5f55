import logging
import subprocess
import sys

import anyio
import numpy as np
import pytest

from olfactory_transformer.core.errors import EngineFault, ModelNotFound
from olfactory_transformer.engine.contract import EngineState
from olfactory_transformer.engine.direct import DirectEngine
from olfactory_transformer.inference.predictor import ScentPredictor

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Faulty:
    """A runtime that can be told to raise, or to give NaN for molecules of one size."""

    def __init__(self, runtime):
        self.runtime, self.raises, self.nan_for = runtime, False, None

    def run(self, tokens, log_dilutions):
        if self.raises:
            raise RuntimeError("out of memory on molecule CCO")
        raw = self.runtime.run(tokens, log_dilutions)
        for row, t in enumerate(tokens):
            if len(t) == self.nan_for:
                raw.words[row] = np.nan
        return raw


@pytest.fixture
def faulty():
    predictor = ScentPredictor.from_pretrained(threads=1)
    predictor.runtime = Faulty(predictor.runtime)
    return predictor.runtime, DirectEngine(predictor, batch_size=2)


class Seen(list):
    def batch_done(self, items, seconds):
        self.append(items)


async def test_works_in_batches_of_the_size_set(faulty):
    _, engine = faulty
    await engine.start()
    seen = Seen()
    engine.attach(seen)
    assert len(await engine.predict(["C", "CC", "CCC", "CCCC", "C1"])) == 5
    assert seen == [2, 2, 1]


async def test_a_failure_is_a_fault_and_passes(faulty):
    runtime, engine = faulty
    await engine.start()
    runtime.raises = True
    with pytest.raises(EngineFault) as caught:
        await engine.predict(["CCO"])
    assert "CCO" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert await engine.check() is EngineState.FAILED
    runtime.raises = False
    assert engine.state is EngineState.FAILED
    assert await engine.check() is EngineState.READY


async def test_a_failed_warm_up_is_logged_and_retried(faulty, caplog):
    runtime, engine = faulty
    runtime.raises = True
    with caplog.at_level(logging.ERROR):
        await engine.start()
    assert engine.state is EngineState.FAILED
    assert "warm-up" in caplog.text
    runtime.raises = False
    assert len(await engine.predict(["CCO"])) == 1
    assert engine.state is EngineState.READY


async def test_a_warm_up_that_gives_nan_is_no_warm_up(faulty):
    runtime, engine = faulty
    runtime.nan_for = 11  # vanillin
    await engine.start()
    assert engine.state is EngineState.FAILED


async def test_nan_spoils_its_own_molecule_only(faulty):
    runtime, engine = faulty
    await engine.start()
    runtime.nan_for = 3
    kinds = [type(o).__name__ for o in await engine.predict(["CC", "CCO", "CCCC"])]
    assert kinds == ["ScentPrediction", "EngineFault", "ScentPrediction"]


async def test_the_event_loop_stays_free(faulty):
    _, engine = faulty
    await engine.start()
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await anyio.sleep(0)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await engine.predict(["CCCCCCCCCCCCCCCCCCCC"] * 4)
        tasks.cancel_scope.cancel()
    assert ticks > 10


def test_a_model_that_is_not_there_is_said_so():
    with pytest.raises(ModelNotFound, match="no-such-model"):
        DirectEngine.load("no-such-model")


def test_serving_does_not_load_torch():
    code = "import sys, olfactory_transformer.api.server; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
