import asyncio

import pytest

from olfactory_transformer.core.errors import EngineBusy
from olfactory_transformer.engine.line import Entry, Line

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return "asyncio"


def entries(*texts, born=0.0, picture=None):
    loop = asyncio.get_running_loop()
    return [Entry(text, 1e-3, loop.create_future(), born, picture) for text in texts]


def texts(batch):
    return "".join(entry.text for entry in batch)


async def test_requests_take_turns():
    line = Line(100)
    line.add(entries(*"aaaa"))
    line.add(entries("b"))
    line.add(entries(*"cc"))
    assert texts(await line.take(4, 1000)) == "abca"
    assert texts(await line.take(4, 1000)) == "caa"
    assert line.queued == 0


async def test_a_batch_is_bounded_by_tokens_with_padding():
    line = Line(100)
    line.add(entries("C" * 10, "C" * 10, "C" * 100, "C"))
    assert [len(e.text) for e in await line.take(32, 100)] == [10, 10]
    assert [len(e.text) for e in await line.take(32, 100)] == [100]
    assert [len(e.text) for e in await line.take(32, 100)] == [1]


async def test_one_that_is_longer_than_a_batch_goes_alone():
    line = Line(100)
    line.add(entries("C" * 500))
    assert len(await line.take(32, 64)) == 1


async def test_a_full_line_refuses_the_whole_list():
    line = Line(3)
    line.add(entries(*"ab"))
    with pytest.raises(EngineBusy):
        line.add(entries(*"cd"))
    line.add(entries("c"))
    assert line.queued == 3


async def test_an_empty_line_takes_a_list_that_is_longer_than_it():
    line = Line(3)
    line.add(entries(*"abcdef"))
    assert line.queued == 6


async def test_waiting_for_room():
    line = Line(2)
    line.add(entries(*"ab"))
    waiter = asyncio.create_task(line.room_for(1))
    await asyncio.sleep(0)
    assert not waiter.done()
    await line.take(1, 1000)
    await asyncio.wait_for(waiter, 5)


async def test_what_nobody_wants_any_more_is_not_taken_nor_kept():
    line = Line(100)
    gone = entries(*"aaa")
    shared = entries("s")
    shared[0].waiting = 2
    line.add(gone)
    line.add(shared)
    for entry in [*gone, *shared]:
        line.leave(entry)
    assert line.queued == 1
    assert len(line._lanes) == 1  # no memory is held for a request that left
    assert texts(await line.take(32, 1000)) == "s"


async def test_what_is_tried_again_goes_first_and_alone():
    line = Line(100)
    line.add(entries(*"ab"))
    line.add_again(entries(*"xy"))
    taken = [texts(await line.take(32, 1000)) for _ in range(3)]
    assert taken == ["x", "y", "ab"]


async def test_what_has_its_answer_is_not_tried_again():
    line = Line(100)
    answered, unwanted = entries(*"ab")
    answered.finish(b"")
    unwanted.waiting = 0
    line.add_again([answered, unwanted])
    assert line.queued == 0


def pictures(*names):
    return [entry for name in names for entry in entries(name, picture=("svg", None))]


async def test_pictures_go_alone_and_between_batches():
    line = Line(100)
    for picture in pictures(*"pqr"):
        line.add([picture])
    line.add(entries(*"ab"))
    line.add(entries(*"cd"))
    taken = []
    for _ in range(5):
        batch = await line.take(3, 1000)
        line.done(batch)
        taken.append(texts(batch))
    assert taken == ["p", "acb", "q", "d", "r"]


async def test_pictures_do_not_keep_all_processes():
    line = Line(100, pictures=1)
    for picture in pictures(*"pq"):
        line.add([picture])
    first = await line.take(32, 1000)
    other = asyncio.create_task(line.take(32, 1000))
    await asyncio.sleep(0)
    line.add(entries("a"))
    assert texts(await other) == "a"
    waits = asyncio.create_task(line.take(32, 1000))
    await asyncio.sleep(0.01)
    assert not waits.done()
    line.done(first)
    assert texts(await waits) == "q"


async def test_pictures_that_nobody_waits_for_are_not_kept():
    line = Line(100)
    (gone,) = pictures("p")
    line.add([gone])
    line.leave(gone)
    assert (line.queued, len(line._pictures)) == (0, 0)


async def test_idle_processes_share():
    line = Line(100)
    takes = [asyncio.create_task(line.take(32, 1000)) for _ in range(2)]
    await asyncio.sleep(0)
    line.add(entries(*"abcd"))
    assert sorted([len(await take) for take in takes]) == [2, 2]


async def test_a_batch_that_is_not_full_waits_for_more():
    line, now = Line(100), asyncio.get_running_loop().time()
    line.add(entries("a", born=now))
    take = asyncio.create_task(line.take(32, 1000, delay=0.2))
    await asyncio.sleep(0.01)
    line.add(entries("b", born=now))
    assert texts(await take) == "ab"


async def test_a_take_that_is_given_up_loses_nothing():
    line = Line(100)
    for _ in range(50):
        take = asyncio.create_task(line.take(32, 1000))
        await asyncio.sleep(0)
        line.add(entries("a"))
        take.cancel()
        await asyncio.wait({take})
        if take.cancelled():
            assert texts(await line.take(32, 1000)) == "a"
        else:
            assert texts(take.result()) == "a"
        assert line.queued == 0


async def test_a_delay_is_counted_from_the_arrival_also_when_a_take_is_begun_anew():
    line = Line(100)
    line.add(entries("a", born=asyncio.get_running_loop().time()))
    batch = None
    for _ in range(100):
        try:
            async with asyncio.timeout(0.02):
                batch = await line.take(32, 1000, delay=0.1)
            break
        except TimeoutError:
            continue
    assert batch and texts(batch) == "a"
