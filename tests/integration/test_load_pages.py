"""What the benchmarks of a running server write, from figures that are known."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.faults.matrix import faults
from benchmarks.faults.matrix import page as faults_page
from benchmarks.load.compare import Found, Lengths
from benchmarks.load.results import Result
from benchmarks.load.servers import ROOT
from benchmarks.load.serving_page import SUBJECTS, aims, page
from benchmarks.load.watch import slope


def result(latency, offered=None):
    due = np.arange(len(latency), dtype=float)
    return Result(due, due, due + latency, (200,) * len(due), ("x",) * len(due), 10.0, offered, 0.1, len(due))


def test_ratios_are_of_one_round_and_what_falls_short_is_said():
    calm, tailed = np.full(100, 0.001), np.r_[np.full(98, 0.001), 1.0, 1.0]
    found = Found(rates={name: [100.0, 200.0] for name in SUBJECTS})
    found.rates["hit"], found.rates["echo"] = [50.0, 300.0], [100.0, 400.0]  # 50 % and 75 %
    found.rates["list"] = [80.0, 170.0]
    found.costs = {name: [(1e-4, 2e-3)] for name in SUBJECTS}
    found.closed = {name: [result(calm)] for name in SUBJECTS}
    found.loads = {name: [result(calm, 10.0)] for name in ("hit", "single")}
    found.usual = {(name, "poisson"): [result(calm, 7.0)] for name in ("echo", "hit")}
    found.usual["single", "poisson"] = [result(tailed, 7.0)]
    judged = {aim.what: (round(aim.found, 3), aim.reached) for aim in aims(found)}
    assert list(judged.values()) == [(0.625, True), (1.0, True), (0.825, False), (1.0, True), (1000.0, False)]
    text = page(found, "the command", "a machine", 7, Lengths(), Path("docs/serving.svg"))
    falls_short = text.partition("## What falls short")[2].partition("##")[0]
    assert falls_short.count("\n- ") == 2 and "lists" in falls_short and "70 %" in falls_short
    found.usual["hit", "poisson"] = [result(np.full(2000, 50.0), 200.0)]  # its queue only grew
    late = next(aim for aim in aims(found) if "hits" in aim.what and "p99" in aim.what)
    assert late.found == 1 and not late.reached and "did not keep up" in late.row()[-1]
    assert "100 + 2,000" in text and "(serving.svg)" in text and "`the command`" in text


@pytest.mark.parametrize(("growth", "grown"), [(0.0, False), (0.5, True)])
def test_a_slope_is_told_from_going_up_and_down(growth, grown):
    minutes = np.linspace(5, 35, 360)
    waves = 10 * np.sin(minutes * 7) + np.random.default_rng(0).normal(0, 3, len(minutes))
    found = slope(minutes.tolist(), (200 + growth * minutes + waves).tolist())
    assert found.low < growth < found.high
    assert (found.low > 0.25) is grown
    assert slope([1.0, 2, 3, 4], [5.0] * 4).high == 0


ROW = {"fault": "engine killed", "how": "SIGKILL", "expected": "well", "seen": "200", "metric": "olfactory_x"}


def test_runs_of_a_fault_are_put_together():
    runs = [
        {"file": "test_server_engine", "test": "t", "failed": "", **ROW, "noticed": n, "recovery": n + 1}
        for n in (0.5, 0.1, 0.3)
    ]
    text = faults_page(faults(runs), "the command", "a machine", 3)
    assert (
        "| engine killed | SIGKILL | well | 200 | 0.30 (0.50) | 1.30 (1.50) | `olfactory_x` | yes |" in text
    )
    assert "None of the 1 rows." in text
    late = faults_page(faults([{**runs[0], "noticed": 2.5}]), "the command", "a machine", 1)
    assert "- engine killed: noticed after 2.50 s at worst, aimed at 2 s" in late
    failed = faults_page(faults([*runs, {**runs[0], "failed": "it did not"}]), "the command", "a machine", 4)
    assert "- engine killed: failed in 1 of 4 runs: it did not" in failed


def test_rows_are_collected_from_tests_that_pass_and_that_fail(tmp_path):
    test, out = tmp_path / "test_x.py", tmp_path / "rows.json"
    test.write_text(
        f"ROW = {ROW!r}\n"
        "def test_good(record_property, request):\n"
        "    assert request.config.getoption('--heavy')\n"
        "    record_property('row', ROW)\n"
        "def test_bad(record_property):\n"
        "    record_property('row', ROW)\n"
        "    assert not ROW, 'it broke'\n"
    )
    command = [sys.executable, "-m", "benchmarks.faults.collect", str(out), str(test)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 1
    good, bad = json.loads(out.read_text())
    assert (good["failed"], good["fault"], good["file"]) == ("", "engine killed", "test_x")
    assert "it broke" in bad["failed"]


def test_a_soak_watches_a_real_server_and_says_what_came_of_it(small_model, tmp_path, monkeypatch):
    monkeypatch.setenv(
        "MODEL_PATH", str(small_model)
    )  # not the soak's server's: it takes no settings from here
    page_file = tmp_path / "soak.md"
    command = [sys.executable, "-m", "benchmarks.load.soak", "--report", str(page_file), "--molecules", "50"]
    times = ["--minutes", "0.06", "--warm-up", "0.03", "--every", "0.2", "--rate", "30"]
    done = subprocess.run([*command, *times], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr  # so short, memory may well seem to grow
    text = page_file.read_text()
    assert "With another outcome: none." in text and "Model processes replaced: 0." in text
    assert "memory of the front process, MiB" in (tmp_path / "soak.svg").read_text()
