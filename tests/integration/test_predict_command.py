"""`olfactory predict` as a process: pipes, signals, full disks, terminals."""

from __future__ import annotations

import gzip
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

OLFACTORY = [sys.executable, "-m", "olfactory_transformer.cli"]


def olfactory(
    *arguments: str | Path, stdin: bytes = b"", **options: object
) -> subprocess.CompletedProcess[bytes]:
    command = [*OLFACTORY, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, **options)  # type: ignore[call-overload]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "library.csv"
    rows = [f"{i:05},{'C' * (i % 9 + 1)}O,note {i}" for i in range(300)]
    path.write_text("id,smiles,note\n" + "\n".join(rows) + "\n")
    return path


def test_help_needs_neither_the_model_nor_rdkit() -> None:
    code = (
        "import sys\n"
        "from olfactory_transformer.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'rdkit', 'onnxruntime', 'torch', 'numpy', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


def test_head_closes_the_pipe_quietly() -> None:
    smiles = "\n".join(["CCO"] * 400).encode()
    with subprocess.Popen(
        [*OLFACTORY, "predict", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(smiles)
        process.stdin.close()
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_interrupt_is_quiet_and_leaves_nothing(tmp_path: Path, ending: str) -> None:
    command = [*OLFACTORY, "predict", "-i", "-", "-o", str(tmp_path / f"out.{ending}")]

    def heed() -> (
        None
    ):  # what a script puts into the background is started deaf to it, and so are its children
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"smiles\n" + b"CCO\n" * 1100)
        process.stdin.flush()
        until = time.monotonic() + 30
        while not list(tmp_path.iterdir()):  # it has begun to write, and waits for more rows
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_no_file_that_looks_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    command = [*OLFACTORY, "predict", "-i", "-", "-o", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin
        process.stdin.write(b"smiles\n" + b"CCO\n" * 1100)
        process.stdin.flush()
        until = time.monotonic() + 30
        while not list(tmp_path.iterdir()):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
        process.stdin.close()
    assert not target.exists()
    assert all(path.name.startswith(".out.csv.") and path.suffix == ".part" for path in tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "jsonl", "sdf", "parquet"])
def test_a_disk_that_is_full_is_a_line_and_no_file(tmp_path: Path, library: Path, ending: str) -> None:
    target = tmp_path / f"out.{ending}"

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = olfactory("predict", "-i", library, "-o", target, "--words", "notes", preexec_fn=small_files)
    assert done.returncode == 2
    assert done.stderr.decode() == f"olfactory: {target}: File too large\n"
    assert sorted(tmp_path.iterdir()) == [library]


def test_a_full_device() -> None:
    done = olfactory("predict", "-i", "-", "-o", "/dev/full", "--format", "csv", stdin=b"smiles\nCCO\n")
    assert (done.returncode, done.stderr) == (2, b"olfactory: /dev/full: No space left on device\n")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*OLFACTORY, "predict", "CCO"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (
        done.returncode == 2 and b"No space left on device" in done.stderr and b"Traceback" not in done.stderr
    )


def test_no_progress_in_a_pipe_and_a_bar_on_a_terminal(library: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    quiet = olfactory("predict", "-i", library, "-o", target, "--words", "notes")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"300 rows, 0 failed\n")
    ours, theirs = os.openpty()
    command = [*OLFACTORY, "predict", "-i", str(library), "-o", str(target), "--words", "notes"]
    with subprocess.Popen(command, stderr=theirs, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(theirs)
        shown = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end was closed
                break
        assert process.wait(30) == 0
    os.close(ours)
    assert "━".encode() in shown and shown.endswith(b"300 rows, 0 failed\r\n")


def test_every_row_and_column_stays(library: Path, tmp_path: Path) -> None:
    done = olfactory("predict", "-i", library, "-o", tmp_path / "out.tsv.gz", "--words", "notes")
    assert done.returncode == 0
    lines = gzip.decompress((tmp_path / "out.tsv.gz").read_bytes()).decode().splitlines()
    kept = ["\t".join(line.split("\t")[:3]).replace("\t", ",") for line in lines]
    assert kept == library.read_text().splitlines()


def test_parquet_through_pipes(tmp_path: Path) -> None:
    table = pa.table({"smiles": ["CCO", None, "bad"], "n": pa.array([1, 2, 3], pa.uint16())})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    done = olfactory("predict", "-i", "-", "--format", "parquet", stdin=sink.getvalue().to_pybytes())
    assert done.returncode == 1 and done.stderr == b"3 rows, 2 failed\n"
    back = pq.read_table(pa.BufferReader(done.stdout))
    assert back.select(["smiles", "n"]).equals(table)
    assert [bool(error) for error in back.column("error").to_pylist()] == [False, True, True]


def test_the_output_is_the_input(library: Path) -> None:
    before = library.read_bytes()
    done = olfactory("predict", "-i", library, "-o", library)
    assert done.returncode == 2 and b"the output is the input" in done.stderr
    assert library.read_bytes() == before


def test_latin_terminals_get_plain_bars() -> None:
    done = olfactory("predict", "CCO", env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert done.returncode == 0 and b"#" in done.stdout


def test_json_lines_pipe(tmp_path: Path) -> None:
    done = olfactory("predict", "-", "--json", "--words", "notes", stdin=b"CCO\nC1\n")
    assert done.returncode == 1
    assert [sorted({"error"} & set(json.loads(line))) for line in done.stdout.splitlines()] == [[], ["error"]]


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), ("2>&-", 0), (">&-", 2)])
def test_standard_streams_that_are_closed(closed, code):
    command = f"{sys.executable} -m olfactory_transformer.cli predict CCO {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert done.stderr == ("olfactory: standard output is closed\n" if code else "")
    assert ("ethereal" in done.stdout) == (code == 0)
