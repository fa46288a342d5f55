import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app
from olfactory_transformer.cli.sense.sparks import sparkline
from olfactory_transformer.cli.sense.svg import recording_svg
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("CO,VOC\n" + "".join(f"{n},{9 - n}\n" for n in range(10)))
    (tmp_path / "b.csv").write_text("CO,nothing\n5,\n5,\n")
    (tmp_path / "c.csv").write_text("CO\nbroken\n")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["sense", "plot", *map(str, arguments)])


def test_a_recording_in_the_terminal(folder):
    result = run("a.csv")
    assert result.exit_code == 0
    head, co, voc = result.stdout.splitlines()
    assert head == "a.csv: 10 frames, 9 s"
    assert co.split()[0] == "CO" and "▁▁▂▃▄▄▅▆▇█" in co and co.endswith("0 to 9 count, at last 9")
    assert "█▇▆▅▄▄▃▂▁▁" in voc and voc.endswith("0 to 9 count, at last 0")


def test_a_folder_with_a_broken_file(folder):
    result = run(".")
    assert result.exit_code == 1
    assert result.stdout.count(" frames, ") == 2 and "no value" in result.stdout
    assert "olfactory: c.csv: the columns CO; expected at least one channel" in result.stderr


def test_what_a_terminal_must_not_get(folder):
    (folder / "a.csv.json").write_text('{"substance": "\\u001b[2Jclove"}')
    result = run("a.csv")
    assert "\x1b" not in result.stdout and r"substance \x1b[2Jclove" in result.stdout


def test_single_channels(folder):
    assert len(run("a.csv", "--channel", "VOC").stdout.splitlines()) == 2
    unknown = run("a.csv", "--channel", "NO2")
    assert unknown.exit_code == 2 and "'NO2'" in unknown.stderr


def test_a_picture(folder):
    result = run("a.csv", "--out", "a.svg")
    assert (result.exit_code, result.stdout) == (0, "")
    root = ET.parse(folder / "a.svg").getroot()
    assert root.find(f"{SVG}title").text == "a.csv"
    lines = root.findall(f"{SVG}polyline")
    assert [len(each.get("points").split()) for each in lines] == [10, 10]
    assert {"CO [count]", "VOC [count]"} <= {each.text for each in root.findall(f"{SVG}text")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.csv", "--out", "a.png"), "a name that ends in .svg"),
        ((".", "--out", "a.svg"), "several recordings"),
        (("none.csv",), "none.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_done(folder, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2 and said in " ".join(result.stderr.replace("│", " ").split())
    assert not (folder / "a.svg").exists()


def test_nothing_to_plot(folder):
    assert run("c.csv", "--out", "c.svg").exit_code == 1
    assert not (folder / "c.svg").exists()
    (folder / "empty").mkdir()
    empty = run("empty")
    assert empty.exit_code == 1 and "no recordings" in empty.stderr


# -- lines ---------------------------------------------------------------------------------------------------


def drawn(times, values, name="CO"):
    values = np.float32(values)[:, None]
    root = ET.fromstring(recording_svg(Recording((channel(name),), np.float64(times), values), "title"))
    return root, [
        [tuple(map(float, point.split(","))) for point in each.get("points").split()]
        for each in root.findall(f"{SVG}polyline")
    ]


def test_a_line_ends_where_there_is_no_value_and_where_the_board_was_away():
    nan = np.nan
    _, lines = drawn([0, 1, 2, 3, 4, 5, 6, 107, 108], [1, 2, nan, 3, 4, 5, 6, 7, 8])
    assert [len(each) for each in lines] == [2, 4, 2]
    root, lines = drawn([0, 1, 2], [1, nan, 3])
    assert not lines and len(root.findall(f"{SVG}circle")) == 2


def test_no_spike_is_lost_among_many_frames():
    values = np.zeros(200_000)
    values[123_456] = 1
    _, (line,) = drawn(np.arange(200_000), values)
    assert len(line) < 3000
    top = min(y for _, y in line)
    assert [round(x) for x, y in line if y == top] == [round(170 + 640 * 123_456 / 199_999)]


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [np.nan, np.nan], [-1e14, 1e14]])
def test_recordings_with_little_to_draw(values):
    root, _ = drawn(np.arange(len(values)), values)
    assert "nan" not in ET.tostring(root, encoding="unicode").replace("font-family", "")


def test_names_are_no_markup():
    root, _ = drawn([0, 1], [1, 2], name="<b>&")
    assert "<b>& " not in [each.text for each in root.findall(f"{SVG}text")]
    assert any((each.text or "").startswith("<b>&") for each in root.findall(f"{SVG}text"))


def test_a_long_sparkline_keeps_to_its_width():
    assert len(sparkline(np.arange(1000.0), 30)) == 30
    assert re.fullmatch("[▁▂▃▄▅▆▇█]{7}", sparkline(np.random.default_rng(0).normal(size=7), 30))
    assert sparkline([np.nan, np.nan]) == "  " and sparkline([]) == ""
