"""A real server that a test may hurt, with what is needed to see how it takes it.

`server_of` starts one; `Load` loads it meanwhile, `Probe` watches /ready, and the fixture `matrix` notes a row of the
fault matrix, which `benchmarks/faults/matrix.py` makes a page of.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import httpx2
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.load.asks import Ask, post
from benchmarks.load.generator import open_loop
from benchmarks.load.results import Result
from benchmarks.load.servers import OURS, Served, descendants, environment, usage

__all__ = [
    "OURS",
    "Load",
    "Probe",
    "Row",
    "Served",
    "descendants",
    "environment",
    "matrix",
    "server_of",
    "usage",
]
SOON = 60.0  # seconds, on a busy machine


@contextmanager
def server_of(command: Iterable[str] = OURS, **settings: object) -> Iterator[Served]:
    """Start a server with one model process, unless told otherwise, and kill it at the end."""
    with TemporaryDirectory(prefix="faults-") as folder:
        server = Served(tuple(command), Path(folder), **{"MAX_WORKERS": 1, **settings})
        try:
            yield server.until_ready()
        finally:
            server.kill()


def until(true: Callable[[], object], what: str = "", seconds: float = SOON) -> float:
    """Wait until something is true, and return how long that took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"not within {seconds:g} s: {what or true}"
        time.sleep(0.01)
    return time.monotonic() - began


def predict(server: Served, smiles: str | list[str], **options: object) -> httpx2.Response:
    """Ask for a prediction."""
    return httpx2.post(f"{server.url}/v1/predict", json={"smiles": smiles, **options}, timeout=SOON)


def workers(server: Served) -> list[int]:
    """Return the numbers of the model processes."""
    return [pid for pid in descendants(server.process.pid) if "engine.worker" in _command(pid)]


def _command(pid: int) -> str:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet reaped does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def singles(smiles: Iterable[str]) -> Iterator[Ask]:
    """Yield a request a molecule; its kind is the request's id, by which the server's log names it."""
    for number, text in enumerate(smiles):
        name = f"load-{number}"
        yield post("/v1/predict", {"smiles": text}, name, {"X-Request-ID": name})


class Load:
    """An open loop in a thread: `with Load(server, asks, rate=..., seconds=...) as load: ...; load.result()`.

    It is under way, since `began`, when the block is entered.
    """

    def __init__(
        self, server: Served, asks: Iterable[Ask], *, rate: float, seconds: float, **how: object
    ) -> None:
        self._result: Result | None = None
        self._error: BaseException | None = None
        self.began, self._under_way = 0.0, threading.Event()
        noted = self._noted(asks)
        self._run = lambda: open_loop(server.address, noted, rate=rate, seconds=seconds, **how)  # type: ignore[arg-type]
        self._thread = threading.Thread(target=self._in_thread, daemon=True)

    def _noted(self, asks: Iterable[Ask]) -> Iterator[Ask]:
        self.began = time.monotonic()  # when the first is asked for
        self._under_way.set()
        yield from asks

    def _in_thread(self) -> None:
        try:
            self._result = asyncio.run(self._run())
        except BaseException as error:
            self._error = error

    def __enter__(self) -> Self:
        self._thread.start()
        while self._thread.is_alive() and not self._under_way.wait(0.05):
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(SOON)

    def result(self) -> Result:
        """Wait for the end, and return what came of it."""
        self._thread.join(2 * SOON)
        if self._error is not None:
            raise self._error
        assert self._result is not None, "the load does not end"
        return self._result


class Probe:
    """Asks /ready over and over, as a load balancer does, and notes when its status changes."""

    def __init__(self, server: Served) -> None:
        self._url, self.changes = server.url + "/ready", list[tuple[float, int]]()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        with httpx2.Client(timeout=5) as client:
            while not self._stop.wait(0.02):
                try:
                    status = client.get(self._url).status_code
                except httpx2.TransportError:
                    status = 0
                if not self.changes or self.changes[-1][1] != status:
                    self.changes.append((time.monotonic(), status))

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.changes, "a first answer of /ready")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def until(self, status: int, since: float) -> float:
        """Wait for a status, and return how many seconds after `since` it came."""
        until(lambda: any(s == status and t >= since for t, s in list(self.changes)), f"/ready {status}")
        return next(t - since for t, s in self.changes if s == status and t >= since)

    def seen(self, since: float) -> set[int]:
        """Return the statuses since a time, that at the time included."""
        before = [s for t, s in self.changes if t < since][-1:]
        return {*before, *(s for t, s in self.changes if t >= since)}


@dataclass
class Row:
    """One row of the fault matrix.

    Parameters
    ----------
    fault, how : str
        What goes wrong, and how it is made to.
    expected : str
    seen : str
        Statuses and what else came.
    noticed, recovery : float or None
        Seconds from the fault to /ready (or what else tells) saying so, and to all being well again.
    metric : str
        That showed it.
    """

    fault: str
    how: str
    expected: str
    seen: str = ""
    noticed: float | None = None
    recovery: float | None = None
    metric: str = ""


@pytest.fixture
def matrix(request, record_property) -> Iterator[Callable[..., Row]]:
    """Note rows: `row = matrix(fault, how, expected)`, filled in as the test goes on."""
    rows: list[Row] = []

    def new(fault: str, how: str, expected: str) -> Row:
        rows.append(Row(fault, how, expected))
        return rows[-1]

    yield new
    for row in rows:
        record_property("row", asdict(row))


@pytest.fixture(scope="session")
def heavy(request) -> bool:
    """Whether there is time: `benchmarks/faults/matrix.py` asks for longer loads and more repeats."""
    return bool(request.config.getoption("--heavy", False))


@pytest.fixture(scope="session")
def poisoned_model(small_model, tmp_path_factory) -> Path:
    """A small model with the poisons of `poisoned`."""
    from faults.poisoned import write_poisoned

    return write_poisoned(small_model, tmp_path_factory.mktemp("models") / "poisoned")


def statuses(result: Result) -> str:
    """Return how often each status and failure came, as words."""
    return ", ".join(f"{n} × {what}" for what, n in sorted(result.outcomes.items()))


def fresh(start: int = 0) -> list[str]:
    """Return some thousand distinct molecules of up to 31 atoms, which no poison is; those from `start` on."""
    ends = ("", "Cl", "Br", "F", "S", "N", "O=")
    chains = [
        f"{end}{'C' * a}N{'C' * b}O{'C' * c}" for a in range(1, 10) for b in range(2, 11) for c in range(1, 10)
        for end in ends
    ]  # fmt: skip
    return chains[start:]
