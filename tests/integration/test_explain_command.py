"""`olfactory explain` as a process: pipes and full disks."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

EXPLAIN = [sys.executable, "-m", "olfactory_transformer.cli", "explain"]


def test_output_pipes() -> None:
    command = " ".join([*EXPLAIN, "CCO", "--format", "json", "|", sys.executable, "-m", "json.tool"])
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, check=True)
    assert json.loads(done.stdout)["canonical_smiles"] == "CCO" and done.stderr == b""


def test_nothing_torch_is_needed() -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from olfactory_transformer.cli import app\n"
        "app(['explain', 'CCO', '--format', 'json'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert len(json.loads(done.stdout)["contributions"]) == 3


def test_a_closed_pipe_is_quiet() -> None:
    with subprocess.Popen([*EXPLAIN, "CCO"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_disk_that_is_full_is_a_line_and_no_file(tmp_path: Path, ending: str) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    target = tmp_path / f"a.{ending}"
    done = subprocess.run(
        [*EXPLAIN, "CCO", "--out", target], capture_output=True, preexec_fn=small_files, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"olfactory: {target}: File too large\n"
    assert list(tmp_path.iterdir()) == []
