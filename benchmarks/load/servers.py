"""Server processes to be loaded: ours, the echo, and the least that can answer; what they take of the machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from olfactory_transformer.settings import Settings

OURS = (sys.executable, "-m", "olfactory_transformer.api")
ECHO = (sys.executable, "-m", "benchmarks.load.echo")
LEAST = (sys.executable, "-m", "benchmarks.load.least")
ROOT = Path(__file__).resolve().parents[2]
START = 120.0  # seconds; on a busy machine
_PAGE, _TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


class Served:
    """A server on a free port of the loopback address.

    Parameters
    ----------
    command : sequence of str
        Takes settings from the environment, listens on PORT, and prints its address.
    folder : Path
        Where it runs and leaves its log.
    **settings : object
        Environment variables in capitals.
    """

    def __init__(self, command: Sequence[str], folder: Path, **settings: object) -> None:
        self.folder, self.log_file = folder, folder / "log"
        with self.log_file.open("ab") as log:
            self._start = self.log_file.stat().st_size
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment(**{"PORT": 0, **settings}), stdout=log, stderr=log
            )
        self.url = self._address()
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.log_file.read_bytes()[self._start :].decode(errors="replace")

    def get(self, path: str, timeout: float = 30.0) -> httpx2.Response:
        """Ask for one page."""
        return httpx2.get(self.url + path, timeout=timeout)

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value, summed over what the labels leave open; 0 if it is not there."""
        found = 0.0
        for family in text_string_to_metric_families(self.get("/metrics").text):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    found += sample.value
        return found

    def until_ready(self, seconds: float = START) -> Self:
        """Wait until /ready says so."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.get("/ready").status_code == 200:
                    return self
            except httpx2.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"not ready: {self.log[-2000:]}")
            time.sleep(0.05)

    def stop(self, seconds: float = 60.0) -> int:
        """Tell it to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """End it and its children at once."""
        children = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        for pid in children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _address(self) -> str:
        deadline = time.monotonic() + START
        while not (found := re.search(r"http://[0-9.]+:\d+", self.log)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"does not listen: {self.log[-2000:]}")
            time.sleep(0.02)
        return found.group()


@contextmanager
def served(command: Sequence[str] = OURS, **settings: object) -> Iterator[Served]:
    """Start a server in a new folder, and end it and remove the folder."""
    with TemporaryDirectory(prefix="served-") as folder:
        server = Served(command, Path(folder), **settings)
        try:
            yield server if command != OURS else server.until_ready()
            server.stop()
        finally:
            server.kill()


def environment(**settings: object) -> dict[str, str]:
    """Return this process's environment with these settings, and no others of the package."""
    kept = {
        k: v for k, v in os.environ.items() if k.lower().removesuffix("_file") not in Settings.model_fields
    }
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path, **{k: str(v) for k, v in settings.items()}}


def descendants(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [below for child in children for below in descendants(child)]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process takes.

    Parameters
    ----------
    rss : int
        Bytes of memory that are resident.
    files : int
        Open file descriptors.
    processor : float
        Seconds of processor time so far.
    """

    rss: int
    files: int
    processor: float


def usage(pid: int) -> Usage | None:
    """Return what a process takes; None if it is gone."""
    root = Path(f"/proc/{pid}")
    try:
        rss = int((root / "statm").read_text().split()[1]) * _PAGE
        fields = (root / "stat").read_text().rpartition(")")[2].split()
        return Usage(rss, len(list((root / "fd").iterdir())), (int(fields[11]) + int(fields[12])) / _TICK)
    except (FileNotFoundError, ProcessLookupError, PermissionError, IndexError):
        return None
