"""Calibrating from files and step by step; the boards are replays, which are read as fast as they go."""

import csv
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.cli.sense.calibrate import parse_reference, parse_scales
from olfactory_transformer.database.calibrations import CalibrationStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.sensors.calibration.value import Calibration
from olfactory_transformer.sensors.calibration.walk import Walk

NOW = datetime.now(UTC).timestamp() - 600
RATIO = {"mq3": (2.0, -0.6), "Gas_Resistance": (1.5, -0.3)}
R0 = {"mq3": 60.0, "Gas_Resistance": 70.0}
SCALE = ["--scale", "mq3:full_scale=65535,load=10"]


def write(path, seconds=150, ppm=0.0, temperature=25.0, warming=0.0, shift=0.0, seed=0):
    """Write what a board records: a resistance in counts of a divider, and one in kOhm; 0.01 decades a degree."""
    rng, t = np.random.default_rng(seed), np.arange(seconds)
    logs = {
        name: np.log10(r0 * (RATIO[name][0] * ppm ** RATIO[name][1] if ppm else 1))
        + rng.normal(0, 0.002, seconds) - warming * t / seconds - 0.01 * (temperature - 25) + shift
        for name, r0 in R0.items()
    }  # fmt: skip
    counts = np.round(65535 * 10 / (10 ** logs["mq3"] + 10))
    warm = temperature + rng.normal(0, 0.05, seconds)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["time", "mq3", "Gas_Resistance", "Temperature"])
        rows.writerows(zip(NOW + t, counts, 10 ** logs["Gas_Resistance"], warm, strict=True))
    return path


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    for name in ("SENSOR_PORT", "SENSOR_ID", "OLFACTORY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return CalibrationStore(Database(f"sqlite:///{tmp_path}/keys.db"))


def run(*arguments, given=None):
    return CliRunner().invoke(app, ["sense", *map(str, arguments)], input=given)


def calibrate_desk(tmp_path, *more):
    air = write(tmp_path / "air.csv")
    return run("calibrate", "--baseline", air, "--sensor", "desk", "--yes", *SCALE, *more)


def gases(tmp_path):
    files = {ppm: write(tmp_path / f"e{ppm}.csv", ppm=ppm, seed=ppm) for ppm in (5, 50, 500)}
    return [part for ppm, file in files.items() for part in ("--reference", f"ethanol:{ppm}={file}")]


def test_from_files(store, tmp_path):
    rooms = [write(tmp_path / f"room{t}.csv", temperature=t, seed=t) for t in (19, 31)]
    result = calibrate_desk(
        tmp_path, *gases(tmp_path), *(x for f in rooms for x in ("--other-air", f)), "--days", 14
    )
    assert result.exit_code == 0, result.output
    record = store.current("desk")
    made = Calibration.from_dict(record.content)
    assert 10 ** made.channels["mq3"].log_level == pytest.approx(60, rel=0.01)
    assert made.channels["mq3"].curves["ethanol"].b == pytest.approx(-0.6, abs=0.01)
    assert made.channels["mq3"].compensation.temperature == pytest.approx(-0.01, abs=0.001)
    assert made.expires - made.made == timedelta(days=14)
    assert made.made == datetime.fromtimestamp(NOW + 149, UTC)
    lines = result.stdout.splitlines()
    assert lines[0].startswith("desk: 149 s of clean air at 25.0 degC, 20")
    assert any(line.split()[:3] == ["mq3", "60.01", "kOhm"] or line.startswith("mq3 ") for line in lines)
    assert any("ethanol" in line and "ppm^-0.6" in line and "5-500" in line for line in lines)
    assert f"The calibration {record.id} of desk is kept in sqlite:///{tmp_path}/keys.db" in result.stderr


def test_as_json(store, tmp_path):
    result = calibrate_desk(tmp_path, "--format", "json")
    said = json.loads(result.stdout)
    assert (
        Calibration.from_dict(said["calibration"]).sensor_id == "desk"
        and said["id"] == store.current("desk").id
    )


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--baseline", "none.csv", "--sensor", "desk"], "none.csv"),
        (["--baseline", "air.csv"], "give --sensor"),
        (["--baseline", "air.csv", "--sensor", "a b"], "got the sensor id 'a b'"),
        (["--baseline", "air.csv", "replay:air.csv", "--sensor", "desk"], "got SOURCE"),
        (
            ["--baseline", "short.csv", "--sensor", "desk"],
            "got 20 frames in 19 s, expected at least 30 in 60 s",
        ),
        (["--baseline", "warming.csv", "--sensor", "desk"], "not settled in clean air: mq3 moved by"),
        (
            ["--baseline", "air.csv", "--sensor", "desk", "--reference", "x:1=air.csv"],
            "got 1 concentration of x",
        ),
        (["--baseline", "air.csv", "--sensor", "desk", "--reference", "ethanol"], "COMPOUND:PPM=FILE"),
        (["--baseline", "air.csv", "--sensor", "desk", "--scale", "mq3"], "CHANNEL:NAME=VALUE"),
        (["--baseline", "air.csv", "--sensor", "desk", "--scale", "mq9:load=1"], "a scale of mq9"),
        (["--baseline", "air.csv", "--sensor", "desk", "--other-air", "air.csv"], "varied too little"),
        (["replay:air.csv", "--reference", "x:1=air.csv"], "need --baseline"),
        (["--yes"], "SENSOR_PORT"),
    ],
)
def test_what_is_refused_is_not_kept(store, tmp_path, arguments, what):
    write(tmp_path / "air.csv")
    write(tmp_path / "short.csv", seconds=20)
    write(tmp_path / "warming.csv", warming=0.3)
    result = run("calibrate", *arguments)
    assert result.exit_code == 2 and what in " ".join(result.stderr.replace("│", " ").split()), result.output
    assert store.list() == ()


def test_what_options_say():
    assert parse_reference("a:b:5=x=y.csv")[:2] == ("a:b", 5.0)
    assert parse_scales(["a:b:load=4.7", "a:b:response=rises"]) == {"a:b": {"load": 4.7, "response": "rises"}}


def steps(tmp_path, folder):
    return Walk.resume(tmp_path / folder).state.steps


def test_step_by_step_with_nobody_there(store, tmp_path):
    write(tmp_path / "board.csv", seconds=400)
    result = run("calibrate", "replay:board.csv", "--sensor", "desk", "--seconds", 60, "--yes", *SCALE)
    assert result.exit_code == 0, result.output
    made = Calibration.from_dict(store.current("desk").content)
    assert made.seconds == 60 and 10 ** made.channels["mq3"].log_level == pytest.approx(60, rel=0.01)
    assert Walk.resume(tmp_path / "calibration-desk") is None  # it is finished
    again = run("calibrate", "replay:board.csv", "--sensor", "desk", "--seconds", 60, "--yes")
    assert again.exit_code == 0 and len(store.list("desk")) == 2


def test_the_settings_name_their_own_board(store, tmp_path, monkeypatch):
    write(tmp_path / "board.csv", seconds=100)
    write(tmp_path / "other.csv", seconds=100)
    monkeypatch.setenv("SENSOR_PORT", "replay:board.csv")
    monkeypatch.setenv("SENSOR_ID", "bench-1")
    for source in ([], ["replay:board.csv"], ["replay:other.csv"]):
        assert run("calibrate", *source, "--seconds", 60, "--yes").exit_code == 0
    assert [each.sensor_id for each in store.list()] == ["replay:other.csv", "bench-1", "bench-1"]


def test_a_made_up_board_is_called_one(store):
    result = run("calibrate", "simulated", "--sensor", "desk", "--seconds", 60, "--yes")
    assert result.exit_code == 0 and result.stdout.startswith("desk (simulated): 60 s of clean air")
    assert Calibration.from_dict(store.current("desk").content).notes["simulated"] == "true"
    assert "desk (simulated)" in run("calibration", "show", "desk").stdout


def test_a_board_that_does_not_settle_ends_with_the_reason(store, tmp_path):
    write(tmp_path / "board.csv", seconds=3000, warming=6.0)
    result = run("calibrate", "replay:board.csv", "--seconds", 60, "--patience", 10, "--yes")
    assert result.exit_code == 2 and "not settled in clean air: mq3 moved by" in result.stderr
    assert store.list() == ()


def session(tmp_path):
    """A replay of a whole session, each step as long as one listens: clean air, then 5, 50 and 500 ppm."""
    parts = [
        write(tmp_path / f"part{n}.csv", 61, ppm, seed=n).read_text().splitlines()
        for n, ppm in enumerate((0, 5, 50, 500))
    ]
    rows = [line.split(",", 1)[1] for part in parts for line in part[1:]]
    text = "\n".join([parts[0][0], *(f"{NOW + n},{row}" for n, row in enumerate(rows))])
    (tmp_path / "session.csv").write_text(text + "\n")
    return ["calibrate", "replay:session.csv", "--sensor", "desk", "--seconds", "60", *SCALE]


def test_a_person_is_walked_through(store, tmp_path):
    command = session(tmp_path)
    # Enter for clean air; one concentration is too few, then a second; save.
    given = "\nethanol\n5\n\n\nethanol\nmuch\n-1\n50\n\n\n\n"
    result = run(*command, given=given)
    assert result.exit_code == 0, result.output
    made = Calibration.from_dict(store.current("desk").content)
    assert made.channels["mq3"].curves["ethanol"].points == 2
    assert (
        "Clean air. Have the board" in result.output and "Press Enter for ethanol at 50 ppm" in result.output
    )
    assert "That does not do yet: got 1 concentration of ethanol" in result.output
    assert "two points of ethanol do not tell the curve's error" in result.output


def test_nobody_saves_it(store, tmp_path):
    result = run(*session(tmp_path), given="\n\nn\n")
    assert result.exit_code == 1 and "Not saved" in result.stderr and store.list() == ()
    assert [step.kind for step in steps(tmp_path, "calibration-desk")] == ["clean-air"]
    result = run(*session(tmp_path), given="y\n\ny\n")  # go on; no more; save
    assert result.exit_code == 0 and "has an unfinished calibration of desk: clean air." in result.output
    assert store.current("desk") is not None


def test_an_unfinished_one_is_gone_on_with_or_begun_anew(store, tmp_path):
    command = session(tmp_path)
    stopped = run(*command, given="\nethanol\n5\n\n")  # standard input ends here
    assert stopped.exit_code == 1 and "2 steps are kept in calibration-desk" in stopped.stderr
    assert len(steps(tmp_path, "calibration-desk")) == 2
    unsure = run(*command, "--yes")
    assert unsure.exit_code == 2 and "expected --resume or --restart" in unsure.stderr
    other = run(*command, "--sensor", "plant", "--folder", "calibration-desk", "--resume")
    assert other.exit_code == 2 and "got the sensor plant, expected desk" in other.stderr
    resumed = run(*command, "--resume", given="ethanol\n50\n\n\ny\n")
    assert resumed.exit_code == 0, resumed.output
    assert Calibration.from_dict(store.current("desk").content).channels["mq3"].curves["ethanol"].points == 2
    anew = run(*command, "--restart", "--yes")
    assert anew.exit_code == 0 and Calibration.from_dict(store.current("desk").content).compounds == ()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_on_a_terminal_and_resumed(store, tmp_path, how):
    """On a real terminal: one is stopped while it waits for its second step, and the first is still there."""
    command = [sys.executable, "-m", "olfactory_transformer.cli", "sense", *session(tmp_path)]
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=other,
        stdout=other,
        stderr=other,
        cwd=tmp_path,
        start_new_session=True,
        # Tests that a shell runs in the background hand down that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(other)
    seen = expect(terminal, "Press Enter for clean air")
    os.write(terminal, b"\n")
    seen += expect(terminal, "Reference compound")
    until = time.monotonic() + 60
    while process.poll() is None:
        assert time.monotonic() < until, seen
        time.sleep(0.3)  # one that comes before it waits for input is only seen after that
        process.send_signal(how)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
    seen += expect(terminal, None)
    code = process.returncode
    os.close(terminal)
    assert [step.kind for step in steps(tmp_path, "calibration-desk")] == ["clean-air"]
    if how is signal.SIGINT:
        assert code in (1, 130) and "1 steps are kept in calibration-desk; --resume goes on" in " ".join(
            seen.split()
        )
    assert store.list() == ()
    result = run(*session(tmp_path), "--resume", "--yes")
    assert result.exit_code == 0 and store.current("desk") is not None


def expect(terminal, text):
    """Read from a terminal until a text comes; None: until its end."""
    seen, until = "", time.monotonic() + 60
    while text is None or text not in seen:
        assert time.monotonic() < until, seen
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 4096).decode("utf-8", "replace")
            except OSError:  # how a terminal's end reads
                return seen
    return seen


def test_list_show_check_and_forget(store, tmp_path):
    assert "There are no calibrations" in run("calibration", "list").stderr
    assert run("calibration", "show", "desk").exit_code == 2
    calibrate_desk(tmp_path)
    calibrate_desk(tmp_path, *gases(tmp_path))
    listed = json.loads(run("calibration", "list", "--format", "json").stdout)["calibrations"]
    assert [(each["sensor_id"], each["state"], each["drift"]) for each in listed] == [("desk", "ok", None)]
    assert (
        len(json.loads(run("calibration", "list", "--all", "--format", "json").stdout)["calibrations"]) == 2
    )
    assert "ppm^-0.6" in run("calibration", "show", "desk").stdout
    assert (
        json.loads(run("calibration", "show", "desk", "--format", "json").stdout)["calibration"]["sensor_id"]
        == "desk"
    )

    same = run("calibration", "check", "desk", "--baseline", write(tmp_path / "same.csv", seed=9))
    assert same.exit_code == 0 and "drifted" not in same.output and not store.current("desk").drifted
    moved = run("calibration", "check", "desk", "--baseline", write(tmp_path / "moved.csv", shift=0.2))
    assert moved.exit_code == 1 and "desk has drifted" in moved.stderr and "+58 %" in moved.stdout
    assert store.current("desk").drifted and store.list("desk")[1].drift is None
    assert run("calibration", "list").stdout.splitlines()[1].split()[1] == "drifted"
    assert "Clean air since" in run("calibration", "show", "desk").stdout

    assert run("calibration", "forget", "desk", given="n\n").exit_code == 1 and len(store.list()) == 2
    assert run("calibration", "forget", "desk", "--yes").exit_code == 0 and store.list() == ()


def test_one_of_another_version_is_listed_and_not_shown(store, tmp_path):
    calibrate_desk(tmp_path)
    store.save(dict(store.current("desk").content) | {"version": 2})
    assert run("calibration", "list").stdout.splitlines()[1].split()[1] == "unreadable"
    shown = run("calibration", "show", "desk")
    assert shown.exit_code == 2 and "not a calibration" in shown.stderr
