"""A real server with a real Redis behind it, as docker-compose.yml sets them up."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest
from services.run import free_port, redis

ROOT = Path(__file__).resolve().parents[2]
START = 120  # seconds, on a busy machine


@dataclass(frozen=True)
class Ports:
    main: int
    metrics: int
    health: int


def ask(port, path, body=None):
    """Return the status of a request."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(
            request, None if body is None else json.dumps(body).encode(), 30
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


@pytest.fixture(scope="session")
def docker():
    return ROOT / "deploy" / "docker"


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """Ports of a server that has answered a few requests."""
    folder = tmp_path_factory.mktemp("served")
    ports = Ports(free_port(), free_port(), free_port())
    with redis() as shared:
        environment = {
            **os.environ,
            "HOST": "127.0.0.1",
            "PORT": str(ports.main),
            "METRICS_PORT": str(ports.metrics),
            "HEALTH_CHECK_PORT": str(ports.health),
            "REDIS_URL": shared.url,
            "CACHE_DIR": str(folder / "cache"),
            "DATABASE_URL": f"sqlite:///{folder / 'olfactory.db'}",
            "RATE_LIMIT_PER_MINUTE": "100000",
            "MAX_WORKERS": "1",
        }
        log = folder / "log"
        with log.open("wb") as out:
            command = [sys.executable, "-m", "olfactory_transformer.api"]
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out)
        try:
            deadline = time.monotonic() + START
            while ask(ports.main, "/ready") != 200:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            assert ask(ports.main, "/v1/predict", {"smiles": ["CCO", "CC(C)O", "not a molecule"]}) == 200
            yield ports
        finally:
            process.terminate()
            process.wait(60)
