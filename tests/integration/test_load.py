"""The load generator of benchmarks/load against servers whose behaviour is known."""

import asyncio
import contextlib
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.load.asks import post
from benchmarks.load.generator import closed_loop, forever, open_loop, schedule
from benchmarks.load.results import merged, quantiles
from benchmarks.load.servers import LEAST, ROOT, served

ASK = [post("/v1/predict", {"smiles": "CCO"}, "single")]
REPLY = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s"


@contextlib.asynccontextmanager
async def answering(answer):
    """Serve each request by `answer(number, writer)`; yields the address."""
    number = 0

    async def serve(reader, writer):
        nonlocal number
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
                number += 1
                await answer(number, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[:2]


def send(writer, status=200, body=b"{}"):
    writer.write(REPLY % (status, len(body), body))


def loaded(loop, answer, **how):
    async def run():
        async with answering(answer) as address:
            return await loop(address, forever(ASK), **how)

    return asyncio.run(run())


def test_a_stall_counts_for_everybody_who_would_have_come():
    def stalls_once():
        until = []

        async def answer(number, writer):
            if number == 50:
                until.append(time.monotonic() + 1)
            if until and time.monotonic() < until[0]:
                await asyncio.sleep(until[0] - time.monotonic())
            send(writer)

        return answer

    opened = loaded(open_loop, stalls_once(), rate=100, seconds=3, arrivals="constant", connections=4)
    closed = loaded(closed_loop, stalls_once(), clients=1, seconds=3)
    assert opened.failed == closed.failed == 0
    assert len(opened.outcome) == 300
    # A third of those who came met the stall, on a busy machine more; the closed loop met it once, and asked on ten
    # times as fast.
    assert 0.2 < (opened.latency > 0.05).mean() < 0.9
    assert (closed.latency > 0.05).mean() < 0.1
    assert quantiles(opened.latency)["max"] > 800
    # Only four were on their way: for the others the wait was before they were sent.
    assert (opened.service > 0.05).mean() < (opened.latency > 0.05).mean()
    assert (opened.lateness > 0.05).sum() > 20


def test_what_goes_wrong_is_told_apart():
    async def answer(number, writer):
        match number % 5:
            case 1:
                send(writer, 200)
            case 2:
                send(writer, 503)
            case 3:
                writer.transport.abort()
            case 4:
                writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{")  # and no more
                writer.close()
            case 0:
                await asyncio.sleep(5)

    result = loaded(open_loop, answer, rate=50, seconds=1, arrivals="constant", timeout=1)
    counted = result.outcomes
    assert counted["200"] == counted["503"] == counted["timeout"] == 10
    assert counted["reset"] + counted["closed"] == 20 and result.failed == 40
    assert quantiles(result.latency)["max"] >= 1000  # those given up are in it, those refused are not
    assert len(result.latency) == 20


def test_a_server_that_dies_is_refused_connections():
    async def run():
        answered = asyncio.Event()

        async def answer(number, writer):
            send(writer)
            if number == 60:
                answered.set()

        async with answering(answer) as address:
            load = asyncio.ensure_future(
                open_loop(address, forever(ASK), rate=100, seconds=3, connections=4, timeout=3)
            )
            await answered.wait()
        with contextlib.suppress(asyncio.CancelledError):
            for task in asyncio.all_tasks() - {asyncio.current_task(), load}:
                if "serve" in repr(task.get_coro()):
                    task.cancel()
        return await load

    result = asyncio.run(run())
    assert result.outcomes["200"] > 50
    assert result.outcomes["refused"] > 50
    with pytest.raises(ConnectionError, match="nothing listens"):
        asyncio.run(closed_loop(("127.0.0.1", 1), ASK, clients=1, seconds=1))


def test_schedules_have_their_rate_and_repeat_by_seed():
    due = np.array(schedule(500, 20, "poisson", 3))
    assert len(due) == pytest.approx(10_000, rel=0.05) and (np.diff(due) > 0).all() and due[-1] < 20
    gaps = np.diff(due)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)  # as exponential ones
    assert schedule(500, 20, "poisson", 3) == due.tolist() != schedule(500, 20, "poisson", 4)


def test_replies_are_inspected_and_rounds_put_together():
    seen = []

    async def answer(number, writer):
        writer.write(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        await asyncio.sleep(0.001)
        writer.write(b"1\r\n\n\r\n0\r\n\r\n")

    def inspect(ask, status, body):
        seen.append((ask.kind, status, body))

    rounds = [loaded(closed_loop, answer, clients=2, seconds=1, inspect=inspect) for _ in range(2)]
    assert set(seen) == {("single", 200, b"{}\n")}
    both = merged(rounds)
    assert len(both.outcome) == sum(len(r.outcome) for r in rounds)
    assert both.seconds == pytest.approx(2, abs=0.01)


def test_the_command_writes_what_it_found(tmp_path):
    with served(LEAST) as server:
        command = [
            sys.executable,
            "-m",
            "benchmarks.load.run",
            server.url,
            "--body",
            "{}",
            "--seconds",
            "0.5",
        ]
        files = {"json": tmp_path / "x.json", "report": tmp_path / "x.md", "plot": tmp_path / "x.svg"}
        options = [str(part) for name, path in files.items() for part in (f"--{name}", path)]
        rates = ["--rate", "100", "--rate", "200", "--clients", "4", "--warm-up", "0.1"]
        done = subprocess.run([*command, *rates, *options], capture_output=True, text=True, cwd=ROOT)
        server.process.terminate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "× 200" in files["report"].read_text()
    assert '"offered": 100.0' in files["json"].read_text()
    assert "<svg" in files["plot"].read_text()
