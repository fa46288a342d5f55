"""The server as a process of its own, for tests that ask it over a real connection."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import httpx2

from olfactory_transformer.settings import Settings

API = [sys.executable, "-m", "olfactory_transformer.api"]
START = 60  # seconds; on a busy machine
_URL = re.compile(r"http://[^\s\"]+")


def environment(**settings):
    kept = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


class Server:
    """A server on a free port of the loopback address, started by `command`."""

    command = API

    def __init__(self, **settings):
        self._folder = tempfile.TemporaryDirectory()  # where no .env and no database of others lies about
        self.process = subprocess.Popen(
            self.command,
            cwd=self._folder.name,
            env=environment(PORT="0", **settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines, self.errors = [], []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()
        self.url = _URL.search(self.logged("serving ")).group()
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def logged(self, text, seconds=START):
        """Wait for a line of the log that has the text, and return the first."""
        deadline = time.monotonic() + seconds
        while not (found := [line for line in self.lines if text in line]):
            assert time.monotonic() < deadline, (text, self.lines, self.errors)
            time.sleep(0.05)
        return found[0]

    def side(self, setting):
        """Return the URL of another port."""
        return _URL.search(self.logged(f"{setting} is ")).group()

    def until_ready(self):
        deadline = time.monotonic() + START
        while httpx2.get(self.url + "/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self, seconds=START):
        if self.process.poll() is None:
            self.signal()
        return self.ended(seconds)

    def ended(self, seconds=START):
        """Wait for the process to end, and return its exit code."""
        code = self.process.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        self._folder.cleanup()
        return code

    def kill(self):
        self.process.kill()
        self.ended()


def connect(server, seconds=20):
    return socket.create_connection(server.address, seconds)


def until_closed(server, seconds=START):
    """Wait until no more connections are accepted."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            connect(server, 1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("it still accepts connections")


def head(path, length, kind="application/json", method="POST"):
    """Return a request's head; length None: chunked."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{size}\r\n\r\n".encode()


def begun(server, body):
    """Open a request for a prediction, send half of its body, and return the connection once the server reads it."""
    connection = connect(server)
    connection.sendall(head("/v1/predict", len(body)) + body[: len(body) // 2])
    text = ""
    while "olfactory_requests_in_flight 2" not in text:  # this one, and that for the metrics
        text = httpx2.get(server.url + "/metrics", timeout=10).text
    return connection


def rest(connection):
    """Return all that is sent until the other side hangs up."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


class Stream:
    """A stream over a connection of its own: chunks out, lines in."""

    def __init__(self, server, query=""):
        self._connection = connect(server)
        self._connection.sendall(head("/v1/predict/stream" + query, None, "application/x-ndjson"))
        self._file = self._connection.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def send(self, body):
        self._connection.sendall(b"%x\r\n%b\r\n" % (len(body), body))

    def end(self):
        self._connection.sendall(b"0\r\n\r\n")

    def chunk(self):
        """Return the next chunk of the reply; an empty one is its proper end."""
        size = int(self._file.readline(), 16)
        found = self._file.read(size)
        self._file.readline()
        return found

    def lines(self):
        """Return the lines of the next chunk."""
        return [json.loads(line) for line in self.chunk().splitlines()]

    def to_the_end(self):
        """Return the lines of all chunks that follow."""
        found = []
        while more := self.lines():
            found += more
        return found

    def close(self):
        self._file.close()
        self._connection.close()
