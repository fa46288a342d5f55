"""Start real services: `with redis() as service: service.url`. A test may stop, freeze or kill each."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START = 30  # seconds


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Service:
    """A process that listens on a port of the loopback address."""

    command: list[str]
    port: int
    url: str
    folder: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=log, stderr=log, user=self.user, start_new_session=True
            )
        deadline = time.monotonic() + START
        while True:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)

    def signal(self, number: int) -> None:
        """SIGSTOP freezes it, SIGCONT lets it go on."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGKILL)
            self.process.wait()


@contextmanager
def _running(service: Service) -> Iterator[Service]:
    try:
        service.start()
        yield service
    finally:
        service.kill()
        shutil.rmtree(service.folder, ignore_errors=True)


@contextmanager
def redis(*options: str) -> Iterator[Service]:
    """Start Redis; `options` as on its command line, such as "--requirepass", "secret"."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="redis-"))
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with _running(Service([*command, *options], port, f"redis://127.0.0.1:{port}/0", folder)) as service:
        yield service


@contextmanager
def postgres() -> Iterator[Service]:
    """Start PostgreSQL with an empty database; it refuses to run as root, so it then runs as nobody."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="postgres-"))
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data = folder / "data"
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, user=user, cwd=folder)
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-F"]
    url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
    with _running(Service(command, port, url, folder, user)) as service:
        ready = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready, capture_output=True).returncode:
            time.sleep(0.05)
        yield service


@contextmanager
def mosquitto(options: str = "allow_anonymous true", **passwords: str) -> Iterator[Service]:
    """Start an MQTT broker; `options` are lines of its configuration, in which {folder} stands for its folder.

    With passwords, a name each, nobody else is let in.
    """
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="mosquitto-"))
    if passwords:
        options = "allow_anonymous false\npassword_file {folder}/passwords"
        (folder / "passwords").touch(mode=0o600)
        for name, word in passwords.items():
            command = ["mosquitto_passwd", "-b", str(folder / "passwords"), name, word]
            subprocess.run(command, check=True, capture_output=True)
    user = ["user root"] if os.geteuid() == 0 else []  # else it could not read its folder
    lines = [f"listener {port} 127.0.0.1", *user, options.replace("{folder}", str(folder))]
    (folder / "conf").write_text("\n".join([*lines, ""]))
    command = ["/usr/sbin/mosquitto", "-c", str(folder / "conf")]
    with _running(Service(command, port, f"mqtt://127.0.0.1:{port}", folder)) as service:
        yield service


def _until_answered(url: str) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            urllib.request.urlopen(url, timeout=START).close()
            return
        except urllib.error.HTTPError:
            assert time.monotonic() < deadline, url
            time.sleep(0.1)


@contextmanager
def prometheus(config: str) -> Iterator[Service]:
    """Start Prometheus with the text of a prometheus.yml."""
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="prometheus-"))
    (folder / "prometheus.yml").write_text(config)
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _running(Service(command, port, f"http://127.0.0.1:{port}", folder)) as service:
        _until_answered(f"{service.url}/-/ready")  # it listens before it reads its data
        yield service
