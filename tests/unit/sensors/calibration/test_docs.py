"""The reference page says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

from olfactory_transformer.sensors.calibration import baseline, build, checks
from olfactory_transformer.sensors.calibration.baseline import percent
from olfactory_transformer.sensors.calibration.room import LEAST
from olfactory_transformer.sensors.calibration.value import Status

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "calibration.md").read_text("utf-8")


def test_constants():
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([\d.]+) \|", PAGE, re.M))
    found = {name: part for part in (baseline, build, checks) for name in rows if hasattr(part, name)}
    assert len(rows) == 9 and {name: float(value) for name, value in rows.items()} == {
        name: getattr(found[name], name) for name in rows
    }


def test_states_and_numbers_in_the_text():
    states = re.findall(r"^\| `(\w+)` \|", PAGE.split("| State |")[1].split("\n\n")[0], re.M)
    assert set(states) == set(Status.__args__)
    assert f"more than {percent(baseline.TOLERANCE)} between" in PAGE
    assert f"moved by {percent(build.DRIFT)} or more" in PAGE
    assert f"varied by {LEAST['temperature']:g} degC or {LEAST['humidity']:g} %" in PAGE


def test_its_example():
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines() == re.findall(r"# → (.*)", code), done.stderr


def test_its_commands_have_these_options():
    from typer.testing import CliRunner

    from olfactory_transformer.cli import app

    said = re.findall(r"olfactory sense (calibrate|calibration check)\b([^\n`]*)", PAGE)
    assert len(said) > 1
    for command, rest in said:
        shown = CliRunner().invoke(app, ["sense", *command.split(), "--help"], env={"COLUMNS": "200"}).output
        assert set(re.findall(r"--[a-z-]+", rest)) <= set(re.findall(r"--[a-z-]+", shown))
