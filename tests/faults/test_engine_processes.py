"""The engine's processes are killed, frozen and starved, and nobody who asked is left without an answer."""

import asyncio
import os
import shutil
import signal
import time

import pytest

from olfactory_transformer.core.config import ScentPrediction
from olfactory_transformer.core.errors import (
    DeadlineExceeded,
    EngineBusy,
    EngineFault,
    ModelCorrupt,
    TooManyAtoms,
)
from olfactory_transformer.engine.contract import EngineState
from olfactory_transformer.engine.pool import PoolEngine
from olfactory_transformer.engine.recall import Recall
from olfactory_transformer.engine.slot import Pace
from olfactory_transformer.model.folder import resolve
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.tiers import Tiers

pytestmark = pytest.mark.anyio
SOON = 30  # seconds, on a busy machine
ALKANES = ["C" * n for n in range(1, 40)]


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Log:
    def __init__(self):
        self.restarts, self.rejections, self.items = [], [], 0

    def batch_done(self, items, tokens, seconds):
        self.items += items

    def waited(self, seconds):
        pass

    def rejected(self, reason):
        self.rejections.append(reason)

    def restarted(self, reason):
        self.restarts.append(reason)


@pytest.fixture
async def started():
    running = []

    async def start(**options):
        engine = PoolEngine(**{"workers": 1, **options})
        engine.attach(log := Log())
        running.append(engine)
        await engine.start()
        return engine, log

    yield start
    for engine in running:
        task = asyncio.create_task(engine.stop())
        done, _ = await asyncio.wait({task}, timeout=SOON)
        assert done, "the engine does not stop"


async def until(state, engine):
    deadline = time.monotonic() + SOON
    while engine.state is not state:
        assert time.monotonic() < deadline, engine.state
        await asyncio.sleep(0.01)


def good(outcomes):
    return all(isinstance(outcome, ScentPrediction) for outcome in outcomes)


async def busy(engine):
    """Wait until a process has something to do, and return its number."""
    while engine._crew.idle:
        await asyncio.sleep(0)
    return engine.pids[0]


async def test_killed_in_the_middle_of_a_batch(started):
    engine, log = await started()
    asked = asyncio.create_task(engine.predict(ALKANES))
    os.kill(await busy(engine), signal.SIGKILL)
    assert good(await asked)
    assert log.restarts == ["died"]
    await until(EngineState.READY, engine)


async def test_killed_while_idle_it_is_noticed_and_replaced(started):
    engine, log = await started()
    os.kill(engine.pids[0], signal.SIGKILL)
    await until(EngineState.FAILED, engine)
    await until(EngineState.READY, engine)
    assert log.restarts == ["died"]
    assert good(await engine.predict(["CCO"]))


async def test_a_molecule_is_not_blamed_for_processes_that_were_killed_while_idle(started):
    engine, log = await started(workers=2)
    for pid in engine.pids:
        os.kill(pid, signal.SIGKILL)
    await until(EngineState.FAILED, engine)
    assert good(await engine.predict(["CCO"]))
    assert log.restarts == ["died"] * 2


async def test_frozen_while_idle(started):
    engine, log = await started()
    os.kill(engine.pids[0], signal.SIGSTOP)
    await until(EngineState.FAILED, engine)
    await until(EngineState.READY, engine)
    assert log.restarts == ["stalled"]


async def test_frozen_in_the_middle_of_a_batch(started):
    engine, log = await started(pace=Pace(stall=1.0))
    asked = asyncio.create_task(engine.predict(ALKANES))
    os.kill(await busy(engine), signal.SIGSTOP)
    assert good(await asked)
    assert log.restarts == ["stalled"]


async def test_a_molecule_that_kills_its_process_is_a_fault_and_its_neighbours_are_not(started):
    # Whoever has the poison is killed: the poison is told by being the only one in the batch when that happens.
    engine, log = await started(workers=2)
    poison = "OCC(O)CO"
    taken = engine._work.exchange

    async def killing(process, model_hash, batch):
        if any(entry.text == poison for entry in batch):
            os.kill(process.pid, signal.SIGKILL)
        return await taken(process, model_hash, batch)

    engine._work.exchange = killing
    outcomes = await engine.predict([*ALKANES[:10], poison, *ALKANES[10:20]])
    assert isinstance(outcomes.pop(10), EngineFault)
    assert good(outcomes)
    assert log.restarts == ["died"] * 3
    # It is not tried again at once: nobody can keep the processes busy with dying.
    assert isinstance((await engine.predict([poison]))[0], EngineFault)
    assert log.restarts == ["died"] * 3


async def test_nothing_is_lost_when_processes_are_killed_over_and_over(started):
    engine, _ = await started(workers=2)
    asked = [asyncio.create_task(engine.predict([text, f"{text}O"])) for text in ALKANES for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0.05)
        os.kill(await busy(engine), signal.SIGKILL) if not all(t.done() for t in asked) else None
        await until(EngineState.READY, engine)
    found = await asyncio.wait_for(asyncio.gather(*asked), SOON)
    assert all(good(outcomes) for outcomes in found)


async def test_what_cannot_be_drawn_can_still_be_predicted(started):
    engine, _ = await started(pace=Pace(stall=0.6))
    exchange = engine._work.exchange

    async def killing(process, model_hash, batch):
        if batch[0].picture is not None:
            os.kill(process.pid, signal.SIGKILL)
        return await exchange(process, model_hash, batch)

    engine._work.exchange = killing
    with pytest.raises(EngineFault):
        await engine.draw("CCO", "svg", "waxy")
    with pytest.raises(EngineFault, match="a moment ago"):
        await engine.draw("CCO", "png")
    assert good(await engine.predict(["CCO"]))


async def test_a_large_molecule_is_drawn_but_not_explained(started):
    engine, log = await started()
    large = "C" * 150
    assert (await engine.draw(large, "svg")).startswith(b"<svg")
    with pytest.raises(TooManyAtoms, match="at most 60 for a picture with a word"):
        await engine.draw(large, "svg", "waxy")
    assert (await engine.draw("C" * 60, "svg", "waxy")).startswith(b"<svg")
    assert log.restarts == []


async def test_what_is_known_is_answered_while_no_process_starts(started, own_folder):
    engine, _ = await started(model=own_folder, recall=Recall(Tiers([MemoryStore(100, 3600)], ttl=3600)))
    assert good(await engine.predict(["CCO"]))
    weights = own_folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-100])
    os.kill(engine.pids[0], signal.SIGKILL)
    await until(EngineState.FAILED, engine)
    while engine._crew.error is None:
        await asyncio.sleep(0.01)
    for _ in range(20):
        assert good(await engine.predict(["CCO"]))
        await asyncio.sleep(0.02)


async def test_identical_molecules_in_flight_are_computed_once(started):
    engine, log = await started(recall=Recall(Tiers([MemoryStore(100, 3600)], ttl=3600)))
    found = await asyncio.gather(*(engine.predict(["CCCCCO"]) for _ in range(20)))
    assert all(good(outcomes) for outcomes in found)
    assert log.items == 1
    assert (await engine.predict(["OCCCCC"]))[0].smiles == "OCCCCC"  # read, but not predicted again
    while log.items == 1:  # its batch ends when it has been answered
        await asyncio.sleep(0.01)
    await engine.predict(["OCCCCC", "CCCCCO"])
    assert log.items == 2


async def test_late_is_late_and_leaves_the_line(started):
    engine, log = await started(timeout=0.5, pace=Pace(stall=2))
    os.kill(engine.pids[0], signal.SIGSTOP)
    with pytest.raises(DeadlineExceeded):
        await engine.predict(["CCO"])
    assert engine.load.queued == 0
    assert log.rejections == ["deadline"]
    assert engine._waiting == {}


async def test_a_client_that_leaves_takes_its_molecules_along(started):
    engine, log = await started(pace=Pace(items=1))
    tasks = [asyncio.create_task(engine.predict(ALKANES)) for _ in range(2)]
    await busy(engine)
    tasks[0].cancel()
    assert good(await tasks[1])  # they were asked for by another, too
    alone = asyncio.create_task(engine.predict([f"{text}N" for text in ALKANES]))
    await busy(engine)
    alone.cancel()
    await asyncio.wait({alone})
    assert engine.load.queued == 0
    assert engine._waiting == {}
    assert log.rejections == ["client-gone"] * 2


async def test_a_full_line_refuses_and_says_when_to_come_again(started):
    engine, log = await started(limit=50, pace=Pace(stall=20))
    os.kill(engine.pids[0], signal.SIGSTOP)
    first = asyncio.create_task(engine.predict(ALKANES))
    await asyncio.sleep(0)
    with pytest.raises(EngineBusy) as caught:
        await engine.predict([f"{text}O" for text in ALKANES])
    assert caught.value.reason == "queue-full"
    assert 1 <= caught.value.retry_after <= 60
    waiting = asyncio.create_task(engine.predict([f"{text}O" for text in ALKANES], wait=True))
    os.kill(engine.pids[0], signal.SIGCONT)
    assert good(await first) and good(await waiting)
    assert log.rejections == ["queue-full"]


async def test_stopping_finishes_what_was_taken(started):
    engine, _ = await started(pace=Pace(items=4))
    asked = asyncio.create_task(engine.predict(ALKANES))
    await busy(engine)
    pids = engine.pids
    await engine.stop()
    assert good(await asked)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_too_little_memory_is_a_start_that_fails_and_is_said(started):
    engine, _ = await started(memory_mb=8)
    assert engine.state is EngineState.FAILED
    assert engine._crew.error is not None


@pytest.fixture
def own_folder(tmp_path):
    return shutil.copytree(resolve("olfactory-base-v1"), tmp_path / "model")


async def test_weights_that_were_altered_are_refused_and_the_old_model_goes_on(started, own_folder):
    engine, _ = await started(model=own_folder)
    before = engine.info
    weights = own_folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelCorrupt):
        await engine.reload()
    assert engine.info == before
    assert good(await engine.predict(["CCO"]))


async def test_a_process_that_comes_back_to_other_files_does_not_mix_models(started, own_folder):
    engine, _ = await started(model=own_folder)
    weights = own_folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-100])
    os.kill(engine.pids[0], signal.SIGKILL)
    await until(EngineState.FAILED, engine)
    shutil.copy(resolve("olfactory-base-v1") / "model.onnx", weights)
    await until(EngineState.READY, engine)  # by itself
    assert good(await engine.predict(["CCO"]))


async def test_a_swap_under_load_loses_nothing(started, own_folder):
    engine, log = await started()
    asked = [asyncio.create_task(engine.predict([text, f"{text}N"])) for text in ALKANES * 2]
    await busy(engine)
    await engine.reload(str(own_folder))
    found = await asyncio.gather(*asked)
    assert all(good(outcomes) for outcomes in found)
    assert log.restarts == log.rejections == []
