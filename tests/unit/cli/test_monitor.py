import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from services.run import free_port
from services.web import web

COMMAND = [sys.executable, "-m", "olfactory_transformer.cli", "monitor"]


@pytest.fixture
def server():
    with web(health=200, ready=200, hook=200) as state:
        yield state


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)


def test_once(server):
    done = run("--once", server.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[1] == "healthy"
    assert server.url in done.stdout


def test_once_and_something_is_not_healthy(server):
    gone = f"http://127.0.0.1:{free_port()}"
    done = run("--once", server.url, gone, "--webhook", f"{server.url}/hook", "--format", "json")
    assert done.returncode == 1
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["endpoint"], first["status"]) == (server.url, "healthy")
    assert (second["endpoint"], second["status"]) == (gone, "error")
    ((_, body),) = server.posted
    assert json.loads(body)["endpoint"] == gone


def test_an_alert_that_cannot_be_given_is_said_and_keeps_its_secret(server):
    server.statuses["/ready"] = 503
    done = run("--once", server.url, "--webhook", f"{server.url}/s3cret", "--command", "false")
    assert done.returncode == 1
    assert "the web hook answered 404" in done.stderr
    assert "CalledProcessError" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["nope"],
        [],
        ["http://x", "--interval", "0"],
        ["http://x", "--command", "'"],
        ["http://x", "--command", ""],
        ["http://x", "--webhook", "chat"],
    ],
)
def test_wrong_arguments(arguments):
    assert run(*arguments).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_for_ever_until_a_signal_and_the_exit_code_is_the_last_state(server, number, status, code):
    arguments = [server.url, "--interval", "0.1", "--failures", "2", "--webhook", f"{server.url}/hook"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert " healthy " in process.stdout.readline()
        server.statuses["/ready"] = status
        wanted = " healthy " if status == 200 else " unhealthy "
        for _ in range(3):
            while wanted not in process.stdout.readline():
                pass
        process.send_signal(number)
        assert process.wait(60) == code
    assert len(server.posted) == (status == 503)


def test_a_table_on_a_terminal(server):
    mine, its = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [*COMMAND, server.url, "--interval", "0.1"], stdout=its, stderr=its, env=environment
    )
    os.close(its)
    shown = b""
    while b"healthy" not in shown:
        shown += os.read(mine, 4096)
    process.send_signal(signal.SIGINT)
    try:
        while more := os.read(mine, 4096):
            shown += more
    except OSError:  # the other end is closed
        pass
    os.close(mine)
    assert process.wait(60) == 0
    assert server.url.encode() in shown
    assert "─".encode() in shown
