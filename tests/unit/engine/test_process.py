import sys
from pathlib import Path

import pytest

from olfactory_transformer.core.config import DEFAULT_DILUTION
from olfactory_transformer.engine import frames
from olfactory_transformer.engine.crew import located
from olfactory_transformer.engine.process import spawn
from olfactory_transformer.engine.worker import WorkerOptions
from olfactory_transformer.inference.defaults import DEFAULT_MODEL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
async def test_no_library_has_a_thread_for_each_processor(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")  # as some images have it
    process = await spawn(WorkerOptions(str(located(DEFAULT_MODEL)), threads=1))
    try:
        assert isinstance(await process.hear(), frames.Loaded)
        texts = [b"C" * length for length in range(1, 33)]
        answer = await process.ask(frames.Predict(texts, [DEFAULT_DILUTION] * len(texts), ask=False))
        assert isinstance(answer, frames.Done) and len(answer.predictions) == len(texts)
        # Its own, and one that ONNX Runtime has in any case.
        assert len(list(Path(f"/proc/{process.pid}/task").iterdir())) <= 2
    finally:
        await process.end(kill=True)
