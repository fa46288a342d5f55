"""Waiting with an end: whatever a coroutine does, it does the same under these two."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from olfactory_transformer.api.gone import unless_gone, within

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


async def stays():
    await asyncio.Event().wait()


async def leaves():
    await asyncio.sleep(0.05)
    return {"type": "http.disconnect"}


@pytest.fixture(params=["unless_gone", "within"])
def guarded(request):
    return (
        (lambda work: unless_gone(stays, work))
        if request.param == "unless_gone"
        else (lambda w: within(60, w))
    )


async def at_once():
    return 1


async def after(*seconds):
    for pause in seconds:
        await asyncio.sleep(pause)
    return 1


async def in_parallel():
    return sum(await asyncio.gather(after(0.01), after(0, 0.01), after(0, 0)))


async def with_a_time_limit():
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)
    except TimeoutError:
        return 1


@pytest.mark.parametrize(
    ("work", "result"),
    [
        (at_once, 1),
        (lambda: after(0), 1),
        (lambda: after(0.01, 0, 0.03), 1),
        (in_parallel, 3),
        (with_a_time_limit, 1),
    ],
)
async def test_gives_what_the_work_gives(guarded, work, result):
    assert await guarded(work()) == result


@pytest.mark.parametrize("pause", [None, 0, 0.01])
@pytest.mark.parametrize("error", [KeyError, TimeoutError, asyncio.CancelledError])
async def test_raises_what_the_work_raises(guarded, pause, error):
    async def work():
        if pause is not None:
            await asyncio.sleep(pause)
        raise error

    with pytest.raises(error):
        await guarded(work())


@pytest.mark.parametrize("start", [lambda w: unless_gone(leaves, w), lambda w: within(0.05, w)])
async def test_the_work_is_cancelled_and_may_clean_up(start):
    seen = []

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            seen.append("cleaned")
            raise

    with pytest.raises((ClientDisconnect, TimeoutError)):
        await start(work())
    assert seen == ["cleaned"]
    await asyncio.sleep(0)  # the task itself was not cancelled


async def test_cancelling_from_outside_reaches_the_work(guarded):
    seen = []

    async def work():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.create_task(guarded(work()))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


async def test_nobody_watches_what_is_quick():
    asked = []

    async def receive():
        asked.append(1)
        await stays()

    await unless_gone(receive, after(0))
    assert asked == []
    await unless_gone(receive, after(0.2))
    assert asked == [1]
