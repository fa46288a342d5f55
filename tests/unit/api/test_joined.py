import asyncio
import socket

import pytest
import uvloop

from olfactory_transformer.api.joined import Joined


@pytest.fixture
def connected():
    """Return a function that runs a coroutine with a joined transport and the other end of its connection."""

    def run(work):
        async def main():
            loop = asyncio.get_running_loop()
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            ours.setblocking(False)
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            try:
                await work(Joined(transport, loop), lambda: received(theirs))
            finally:
                transport.abort()
                theirs.close()

        uvloop.run(main())

    return run


def received(end):
    """Return what has arrived; None if nothing has."""
    try:
        return end.recv(1 << 20)
    except BlockingIOError:
        return None


def test_two_pieces_are_sent_as_one(connected):
    async def work(joined, arrived):
        joined.write(b"head ")
        assert arrived() is None
        joined.write(b"body")
        assert arrived() == b"head body"
        await asyncio.sleep(0.01)
        assert arrived() is None  # nor is the head sent again

    connected(work)


def test_a_piece_that_stays_alone_is_sent_all_the_same(connected):
    async def work(joined, arrived):
        joined.write(b"head ")
        await asyncio.sleep(0.01)
        assert arrived() == b"head "
        joined.write(b"one ")
        joined.write(b"two ")
        joined.write(b"three")
        assert arrived() == b"one two "
        await asyncio.sleep(0.01)
        assert arrived() == b"three"

    connected(work)


def test_a_large_piece_is_not_held_back(connected):
    async def work(joined, arrived):
        joined.write(b"x" * 20_000)
        assert arrived() == b"x" * 20_000

    connected(work)


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_the_end_comes_after_what_was_held_back(connected, end):
    async def work(joined, arrived):
        joined.write(b"last words")
        getattr(joined, end)()
        await asyncio.sleep(0.01)
        assert arrived() == b"last words"
        assert arrived() == b""

    connected(work)


def test_who_cuts_the_connection_sends_nothing_more(connected):
    async def work(joined, arrived):
        joined.write(b"held back")
        joined.abort()
        await asyncio.sleep(0.01)
        assert arrived() == b""
        assert joined.is_closing()

    connected(work)
