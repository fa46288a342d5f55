"""What a server meets in the wild: clients of every kind, those that vanish or drip among them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from benchmarks.load.asks import Ask, get, post
from benchmarks.load.generator import Address

BAD = ("C1CC", "not a molecule", "CC(C)(C)(C)C", "<b>", "c1cccc1", "")
# Status that each kind of request is to have.
EXPECTED = {
    "single": 200,
    "list": 200,
    "list with bad ones": 200,
    "bad": 422,
    "not JSON": 422,
    "svg": 200,
    "png": 200,
}
EXPECTED |= {"metrics": 200, "ready": 200, "not there": 404}
_SHARES = {"single": 60, "list": 12, "list with bad ones": 4, "bad": 8, "not JSON": 2, "svg": 5, "png": 5}
_SHARES |= {"metrics": 1, "ready": 2, "not there": 1}


def mixed(smiles: Sequence[str], seed: int) -> Iterator[Ask]:
    """Yield requests of all kinds without end; a few molecules are asked for often, most of them seldom."""
    rng = random.Random(seed)
    kinds, weights = list(_SHARES), list(_SHARES.values())

    def one() -> str:
        return smiles[int(len(smiles) * rng.random() ** 3)]

    while True:
        kind = rng.choices(kinds, weights)[0]
        match kind:
            case "single":
                yield post("/v1/predict", {"smiles": one()}, kind)
            case "list":
                yield post("/v1/predict", {"smiles": [one() for _ in range(rng.randint(1, 50))]}, kind)
            case "list with bad ones":
                yield post("/v1/predict", {"smiles": [one(), rng.choice(BAD), one()], "words": "all"}, kind)
            case "bad":
                yield post("/v1/predict", {"smiles": rng.choice(BAD)}, kind)
            case "not JSON":
                yield post("/v1/predict", b'{"smiles": ', kind)
            case "svg" | "png":
                yield get(f"/v1/molecules/{quote(one(), safe='')}/image?format={kind}", kind)
            case "metrics" | "ready":
                yield get(f"/{kind}", kind)
            case _:
                yield get("/v1/nothing", kind)


async def vanish(address: Address, ask: Ask, after: int | None, wait: float) -> None:
    """Send the first `after` bytes of a request (None: all), wait, and reset the connection."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(*address)
        writer.write(ask.wire[:after])
        await writer.drain()
        await asyncio.sleep(wait)
        writer.transport.abort()


async def drip(address: Address, ask: Ask, pause: float) -> bytes:
    """Send a request byte by byte and return the head of the reply."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for i in range(len(ask.wire)):
            writer.write(ask.wire[i : i + 1])
            await writer.drain()
            await asyncio.sleep(pause)
        return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


async def stream(address: Address, smiles: Sequence[str], pause: float = 0.0) -> int:
    """Send molecules as JSON Lines, chunk by chunk, and return how many results came back.

    Parameters
    ----------
    address : (host, port)
    smiles : sequence of str
    pause : float
        Seconds between the molecules.
    """
    reader, writer = await asyncio.open_connection(*address)
    head = "POST /v1/predict/stream HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jsonl\r\n"
    writer.write(f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode())

    async def send() -> None:
        for text in smiles:
            line = json.dumps({"smiles": text}).encode() + b"\n"
            writer.write(b"%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
            await asyncio.sleep(pause)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    sending = asyncio.ensure_future(send())
    try:
        reply = await reader.read(-1)
        await sending
    finally:
        sending.cancel()
        writer.close()
    return reply.count(b'"prediction"') + reply.count(b'"error"')


async def trouble(address: Address, smiles: Sequence[str], seed: int, counted: Counter[str]) -> None:
    """Be, until cancelled, the clients that an open loop cannot play: that stream, vanish or drip."""
    rng = random.Random(seed)
    waiting: set[asyncio.Task[None]] = set()

    async def streamed() -> None:
        part = rng.sample(list(smiles), min(200, len(smiles)))
        answered = await stream(address, part, pause=0.002)
        counted["stream answered" if answered == len(part) else "stream cut short"] += 1

    async def dripped() -> None:
        head = await drip(address, post("/v1/predict", {"smiles": smiles[0]}), 0.01)
        counted["drip answered" if b" 200 " in head else "drip refused"] += 1

    while True:
        ask = post("/v1/predict", {"smiles": rng.sample(list(smiles), min(30, len(smiles)))})
        after = rng.choice([None, None, rng.randrange(len(ask.wire)), 10])
        doing = [vanish(address, ask, after, rng.choice([0.0, 0.005, 0.1]))]
        counted["vanished"] += 1
        if rng.random() < 0.1:
            doing.append(streamed())
        if rng.random() < 0.1:
            doing.append(dripped())
        for work in doing:
            task = asyncio.ensure_future(work)
            waiting.add(task)
            task.add_done_callback(waiting.discard)
        await asyncio.sleep(1)
