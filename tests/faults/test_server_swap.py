"""The model of a running server is changed while it is asked, for a good one and for broken ones."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from faults.poisoned import vouch
from faults.server import OURS, Load, Probe, environment, fresh, predict, server_of, singles, statuses, until

from olfactory_transformer.model.folder import verify


def renewed(source: Path, folder: Path, version: str) -> Path:
    """Copy a model folder under another version."""
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "version": version}))
    vouch(folder, "config.json")
    return folder


def truncated(folder: Path) -> None:
    weights = folder / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-100])


def missing(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def altered(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)


BROKEN = {"truncated": truncated, "missing": missing, "wrong hash": altered}


def point(link: Path, folder: Path) -> None:
    """Make a link lead to a folder, at no time to nothing."""
    new = link.with_name("new")
    new.symlink_to(folder)
    new.replace(link)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("swap")


@pytest.fixture(scope="module")
def link(folder, small_model):
    path = folder / "current"
    path.symlink_to(renewed(small_model, folder / "one", "1.0"))
    renewed(small_model, folder / "two", "2.0")
    return path


@pytest.fixture(scope="module")
def server(link):
    with server_of(MODEL_PATH=link, MAX_WORKERS=2) as running:
        yield running


def test_a_swap_under_load_fails_no_request(server, folder, link, matrix, heavy):
    row = matrix(
        "swap under load", "the model's link is changed, SIGHUP", "no request fails, the new model answers"
    )
    point(link, folder / "two")
    expected = verify(folder / "two")
    rate, seconds = (150, 20) if heavy else (30, 4)
    with Probe(server) as probe, Load(server, singles(fresh()), rate=rate, seconds=seconds) as load:
        time.sleep(0.5)
        began = time.monotonic()
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.get("/v1/model").json()["hash"] == expected, "the new model is served")
        row.recovery = time.monotonic() - began
        reply = predict(server, "CCO")
        result = load.result()
    assert result.failed == 0, result.outcomes
    assert probe.seen(began) == {200}
    assert reply.headers["X-Model-Hash"] == expected
    assert reply.json()["model_version"].endswith("@2.0")
    assert server.metric("olfactory_model_info", version="2.0") == 1
    assert server.metric("olfactory_model_info", version="1.0") == 0
    assert server.metric("olfactory_worker_restarts_total") == 0
    row.seen, row.metric = f"{statuses(result)}; /ready 200 throughout", "olfactory_model_info"


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_model_is_not_swapped_in(server, folder, link, matrix, kind):
    row = matrix(
        f"weights {kind}, at reload", "the model's link is changed to it, SIGHUP", "the old model goes on"
    )
    broken = Path(shutil.copytree(folder / "one", folder / f"one, {kind}"))
    BROKEN[kind](broken)
    before = server.get("/v1/model").json()["hash"]
    target, lines = link.resolve(), server.log.count("not changed")
    point(link, broken)
    with Probe(server) as probe:
        began = time.monotonic()
        server.process.send_signal(signal.SIGHUP)
        row.noticed = until(
            lambda: server.log.count("not changed") > lines, "the log says that it was not changed"
        )
        assert predict(server, "CCCO").headers["X-Model-Hash"] == before
        assert probe.seen(began) == {200}
    point(link, target)
    row.seen, row.metric = (
        "the old model's hash in every reply; the log says why",
        "olfactory_model_info, log",
    )


def test_it_does_not_start_with_a_broken_model(folder, matrix):
    starts = {}
    for kind, hurt in BROKEN.items():
        broken = Path(shutil.copytree(folder / "one", folder / f"start, {kind}"))
        hurt(broken)
        row = matrix(
            f"weights {kind}, at start", "a model folder that is", "exit 2 and one line that names the file"
        )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = subprocess.Popen(
            OURS, env=environment(PORT=0, MODEL_PATH=broken), cwd=folder, text=True, **pipes
        )
        starts[kind] = row, command
    for row, command in starts.values():
        _, said = command.communicate(timeout=120)
        assert command.returncode == 2
        assert said.startswith("olfactory: ") and said.count("\n") == 1 and "model.onnx" in said
        row.seen, row.metric = "exit 2, `model.onnx` named", "exit code"
