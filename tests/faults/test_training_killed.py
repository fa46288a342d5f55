"""A training killed with SIGKILL and started again gives the model of one that was not killed, to the bit."""

import hashlib
import signal
import subprocess
import sys
import time


def command(data, out):
    return [
        *(sys.executable, "-m", "olfactory_transformer.cli", "train", "--data", str(data), "--out", str(out)),
        *("--epochs", "4", "--device", "cpu", "--fold", "0"),
    ]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_kill_and_resume_gives_the_same_model(data_folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run(command(data_folder, whole), check=True, capture_output=True, timeout=300)

    run = subprocess.Popen(command(data_folder, killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (killed / "state.safetensors").exists():
        assert run.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (killed / "model" / "manifest.json").exists(), "it was done before it was killed: not a test"

    subprocess.run(command(data_folder, killed), check=True, capture_output=True, timeout=300)
    assert digest(killed / "model" / "model.safetensors") == digest(whole / "model" / "model.safetensors")
    epochs = [line.split(",")[0] for line in (killed / "log.csv").read_text().splitlines()]
    assert epochs == ["epoch", *map(str, range(1, 5))]
