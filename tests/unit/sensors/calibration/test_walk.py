import json
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.build import Reference, calibrate
from olfactory_transformer.sensors.calibration.walk import Walk
from olfactory_transformer.sensors.files import read_recording
from olfactory_transformer.sensors.recording import Recording


@pytest.fixture
def walk(tmp_path, scales):
    return Walk.begin(tmp_path / "desk", "desk", days=7, scales=scales)


def test_resumed_it_makes_the_same_calibration(walk, board, scales):
    air, gases = board.record(), {ppm: board.record(ppm=ppm) for ppm in (5, 50, 500)}
    rooms = [board.record(temperature=t) for t in (20, 31)]
    walk.add("clean-air", air)
    for ppm, recording in gases.items():
        walk = Walk.resume(walk.folder)
        walk.add("reference", recording, "ethanol", ppm)
    for recording in rooms:
        walk = Walk.resume(walk.folder)
        walk.add("other-air", recording)
    references = [Reference("ethanol", ppm, recording) for ppm, recording in gases.items()]
    expected = calibrate("desk", air, references=references, other_air=rooms, scales=scales, days=7)
    assert Walk.resume(walk.folder).calibration() == expected
    assert sorted(path.name for path in walk.folder.iterdir()) == [
        "clean-air.csv", "ethanol-500ppm.csv", "ethanol-50ppm.csv", "ethanol-5ppm.csv",
        "other-air-2.csv", "other-air.csv", "steps.json",
    ]  # fmt: skip


def test_recordings_come_back_exactly(walk, board, replaced):
    odd = replaced(board.record(), 'a "b", c', np.where(np.arange(180) % 2, np.nan, 0.1))
    odd = Recording(odd.channels, odd.times, odd.values, {"source": "serial:x"})
    walk.add("clean-air", odd)
    ((_, found),) = Walk.resume(walk.folder).recordings("clean-air")
    assert found.channels == odd.channels and found.notes == odd.notes and (found.times == odd.times).all()
    assert np.array_equal(found.values, odd.values, equal_nan=True)


def test_the_same_concentration_twice(walk, board):
    walk.add("clean-air", board.record())
    for ppm in (50, 50, 5):
        walk.add("reference", board.record(ppm=ppm), "../Ethanol %", ppm)
    files = [step.file for step in walk.state.steps]
    assert files == [
        "clean-air.csv",
        "---Ethanol---50ppm.csv",
        "---Ethanol---50ppm-2.csv",
        "---Ethanol---5ppm.csv",
    ]
    assert walk.calibration().channels["mq3"].curves["../Ethanol %"].points == 3


def test_finished_there_is_nothing_to_resume(walk, board):
    assert Walk.resume(walk.folder) is not None
    walk.add("clean-air", board.record())
    walk.finish()
    assert Walk.resume(walk.folder) is None and Walk.resume(walk.folder / "none") is None


def test_clean_air_comes_first(walk):
    for call in (walk.baseline, walk.calibration):
        with pytest.raises(CalibrationError, match="no clean air yet"):
            call()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sensor_id": 1}', "\xff", '{"version": 2}'])
def test_steps_that_nobody_can_go_on_with(tmp_path, text):
    (tmp_path / "steps.json").write_text(text, "latin-1")
    with pytest.raises(CalibrationError, match=r"steps\.json: no steps of a calibration"):
        Walk.resume(tmp_path)


@pytest.mark.parametrize("change", ["gone", "cut", "columns", "empty"])
def test_a_changed_recording_is_named(walk, board, change):
    walk.add("clean-air", board.record())
    path = walk.folder / "clean-air.csv"
    text = path.read_text()
    if change == "gone":
        path.unlink()
    else:
        path.write_text(
            {"cut": text[: len(text) // 2 - 3] + "\n1,2\n", "columns": "t" + text, "empty": ""}[change]
        )
    with pytest.raises(CalibrationError, match=r"clean-air\.csv: .*expected the step's recording"):
        Walk.resume(walk.folder).calibration()


def test_killed_at_any_moment_only_whole_steps_are_there(tmp_path, walk):
    """A process that adds steps for ever is killed again and again: what it leaves can always be gone on with."""
    code = textwrap.dedent("""
        import sys, numpy as np
        from pathlib import Path
        from olfactory_transformer.sensors.calibration.walk import Walk
        from olfactory_transformer.sensors.channels import channel
        from olfactory_transformer.sensors.recording import Recording
        values = np.random.default_rng(0).integers(500, 503, (400, 8)).astype(np.float32)
        air = Recording(tuple(channel(f"s{n}") for n in range(8)), np.arange(400.0), values)
        walk = Walk.resume(Path(sys.argv[1]))
        while True:
            walk.add("other-air" if walk.state.steps else "clean-air", air)
            print(len(walk.state.steps), flush=True)
    """)
    done = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(walk.folder)], stdout=subprocess.PIPE, text=True
        )
        told = [int(process.stdout.readline()) for _ in range(3)][-1]
        process.send_signal(signal.SIGKILL)
        process.wait()
        rest = process.stdout.read().split()
        told = int(rest[-1]) if rest else told
        found = Walk.resume(walk.folder)
        assert len(found.state.steps) in (told, told + 1) and told >= done + 3
        assert all(
            len(r.times) == 400 for kind in ("clean-air", "other-air") for _, r in found.recordings(kind)
        )
        done = len(found.state.steps)


def test_a_full_disk_leaves_the_steps_before(walk, board):
    walk.add("clean-air", board.record())
    before = (walk.folder / "steps.json").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # Stands for a full disk: a file may not grow past this.
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        with pytest.raises(OSError, match="too large"):
            walk.add("other-air", board.record(600))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert sorted(path.name for path in walk.folder.iterdir()) == ["clean-air.csv", "steps.json"]
    assert (walk.folder / "steps.json").read_bytes() == before and len(walk.state.steps) == 1
    walk.add("other-air", board.record())
    assert [step["kind"] for step in json.loads((walk.folder / "steps.json").read_text())["steps"]] == [
        "clean-air",
        "other-air",
    ]


def test_a_step_that_cannot_be_noted_is_not_done(walk, board):
    (walk.folder / "steps.json.part").mkdir()
    with pytest.raises(OSError):
        walk.add("clean-air", board.record())
    assert walk.state.steps == () == Walk.resume(walk.folder).state.steps
    (walk.folder / "steps.json.part").rmdir()
    walk.add("clean-air", board.record())
    assert walk.calibration()


def test_its_recordings_are_like_others(walk, board):
    air = board.record()
    walk.add("clean-air", air)
    found = read_recording(walk.folder / "clean-air.csv")
    assert found.channels == air.channels and np.array_equal(found.values, air.values)
    assert calibrate("desk", found, scales=walk.state.scales, days=7).channels == walk.calibration().channels
