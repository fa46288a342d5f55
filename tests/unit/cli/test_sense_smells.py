"""Naming, teaching and watching from the command line: files, and replays that are read as fast as they go."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from olfactory_transformer.cli import app

sys.path.insert(0, str(Path(__file__).parents[1] / "inference" / "nose"))
from smelling import recording

BOARD = {"NO2": "mq3", "CO": "mq135", "VOC": "tgs2602", "Temperature": "Temperature"}


@pytest.fixture(scope="session")
def nose(tmp_path_factory):
    """A model folder of an untrained network that knows SmellNet's channels and three smells."""
    import torch

    from olfactory_transformer.core.nose import NoseConfig
    from olfactory_transformer.model.nose import NoseNetwork
    from olfactory_transformer.model.nose_checkpoint import save_nose

    torch.manual_seed(0)  # by other weights two smells can be so near that a few rows decide between them
    folder = tmp_path_factory.mktemp("nose") / "small"
    config = NoseConfig(
        ("NO2", "CO", "VOC"), ("cloves", "garlic", "mint"), width=8, layers=1, heads=2, embedding=8
    )
    save_nose(NoseNetwork(config), folder)
    return str(folder)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch, nose):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    monkeypatch.setenv("NOSE_MODEL_PATH", nose)
    return tmp_path


def write(path, smell="coffee", seed=0, seconds=150, names=None, change=None):
    made = recording(smell, seed, seconds)
    values = made.values.copy()
    if change:
        change(made.times, values)
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([(names or {}).get(name, name) for name in made.names])
        writer.writerows(values.round(2).tolist())
    return str(path)


def run(*arguments):
    return CliRunner().invoke(app, ["sense", *arguments])


def teach(name, count=3, names=BOARD, start=0):
    return run(
        "enroll", name, *(write(f"{name}-{i}.csv", name, start + i, names=names) for i in range(count))
    )


# -- identify ------------------------------------------------------------------------------------------------


def test_a_folder_is_a_json_array_with_an_object_a_file(place):
    (place / "in").mkdir()
    write("in/b.csv")
    write("in/a.csv", "tea")
    result = run("identify", "--input", "in", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [Path(each["file"]).name for each in found] == ["a.csv", "b.csv"]
    for each in found:
        assert {one["name"] for one in each["ranked"]} == {"cloves", "garlic", "mint"}
        chances = [one["probability"] for one in each["ranked"]]
        assert chances == sorted(chances, reverse=True)
        assert sum(chances) + each["unknown"] == pytest.approx(1)
        assert each["windows"] == 3 and each["channels"] == ["NO2", "CO", "VOC"]


def test_a_bad_file_has_its_error_and_the_rest_goes_on(place):
    (place / "in").mkdir()
    write("in/a.csv")
    Path("in/b.csv").write_text("NO2,CO\n1,2\nx,3\n")
    write(
        "in/c.csv",
        names={"NO2": "Temperature", "Temperature": "Pressure", "CO": "Humidity", "VOC": "Altitude"},
    )
    write("in/d.csv")
    result = run("identify", "--input", "in", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert ["error" in each for each in found] == [False, True, True, False]
    assert found[1].keys() == {"file", "ranked", "error"} and found[1]["ranked"] == []
    text = run("identify", "--input", "in")
    assert text.exit_code == 1 and "b.csv: " in text.stderr and "d.csv: " in text.stdout


def test_one_file_is_an_array_too_and_an_empty_folder_an_empty_one(place):
    assert len(json.loads(run("identify", "--input", write("a.csv"), "--json").stdout)) == 1
    (place / "none").mkdir()
    assert json.loads(run("identify", "--input", "none", "--json").stdout) == []


def test_the_room_does_not_count():
    def warm(times, values):
        values[:, 3] += 12

    first, second = (
        json.loads(run("identify", "--input", write(f"{i}.csv", change=change), "--json").stdout)[0]["ranked"]
        for i, change in enumerate((None, warm))
    )
    assert first == second


def test_words_are_those_of_the_known_compounds():
    (found,) = json.loads(
        run("identify", "--input", write("a.csv"), "--json", "--words", "--smells", "base").stdout
    )
    if found["name"] != "unknown":
        assert found["words"]["words"] and "not of this recording" in found["words"]["said"]
    text = run("identify", "--input", write("a.csv"), "--words").stdout
    assert "in words:" in text


def test_a_board_is_named_while_it_is_heard():
    lines = run("identify", "replay:" + write("a.csv", seconds=200), "--json").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    heard = [each["seconds"] for each in found]
    assert len(found) >= 4 and heard == sorted(heard)
    short = run("identify", "replay:" + write("b.csv", seconds=200), "--json", "--seconds", "60")
    assert json.loads(short.stdout.splitlines()[-1])["seconds"] <= 62
    text = run("identify", "replay:a.csv").stdout
    assert text.count("listening") + text.count("settled") >= 4 and "after " in text


def test_a_replay_goes_as_fast_as_it_is_told():
    began = time.monotonic()
    run("identify", "replay:" + write("a.csv", seconds=30), "--speed", "20")
    assert time.monotonic() - began >= 29 / 20


def test_a_board_that_is_not_calibrated_is_named_with_a_warning(monkeypatch):
    write("a.csv")
    air = write("air.csv", change=lambda times, values: values.__setitem__(slice(None), values.mean(0)))
    monkeypatch.setenv("SENSOR_PORT", f"replay:{air}")

    def warned(*arguments):
        said = json.loads(run("identify", *arguments, "--json").stdout.splitlines()[-1].strip("[]") or "{}")
        return "uncalibrated" in said["warnings"]

    def of_files(*arguments):
        (said,) = json.loads(run("identify", "--input", "a.csv", *arguments, "--json").stdout)
        return "uncalibrated" in said["warnings"]

    assert of_files() and of_files("--sensor", "desk") and warned()
    made = run("calibrate", "--baseline", air, "--sensor", "desk", "--yes", "--days", "30")
    assert made.exit_code == 0, made.output
    assert of_files() and not of_files("--sensor", "desk")
    assert warned() and not warned("--sensor", "desk")
    monkeypatch.setenv("SENSOR_ID", "desk")
    assert not warned() and not of_files()
    monkeypatch.delenv("SENSOR_ID")
    Path("a.csv.json").write_text(json.dumps({"sensor": "desk"}))
    assert not of_files()
    assert "! uncalibrated" in run("identify", "--input", "air.csv").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["identify", "--input", "none.csv"], 2, "none.csv"),
        (["identify", "--input", "a.csv", "--seconds", "5"], 2, "--input takes recordings"),
        (["identify", "--input", "a.csv", "--speed", "5"], 2, "--input takes recordings"),
        (["identify"], 2, "SENSOR_PORT"),
        (["identify", "--nose", "none", "--input", "a.csv"], 2, "no model 'none'"),
        (["enroll", "x"], 2, "either RECORDINGs or --source"),
        (["enroll", "unknown", "a.csv"], 2, "and not 'unknown'"),
        (["forget", "x"], 2, "no smell 'x' was taught"),
        (["export", "out.json", "x"], 2, "no smell 'x' was taught"),
        (["import", "none.json"], 2, "none.json"),
        (["watch", "a.csv", "--reference", "none.json"], 2, "none.json"),
        (["watch", "a.csv", "--reference", "a.csv", "--speed", "5"], 2, "--speed is of a board"),
        (["reference", "a.csv", "--out", "r.json"], 2, "1 good batches; expected at least 3"),
    ],
)
def test_what_cannot_be_done(arguments, code, said):
    write("a.csv")
    result = run(*arguments)
    flat = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == code and said in flat, result.output


# -- enroll --------------------------------------------------------------------------------------------------


def test_a_board_that_the_model_never_saw_is_taught_and_named():
    for name in ("coffee", "tea", "soap"):
        assert teach(name).exit_code == 0
    for name in ("coffee", "tea", "soap"):
        (found,) = json.loads(
            run("identify", "--input", write("new.csv", name, 50, names=BOARD), "--json").stdout
        )
        assert found["name"] == name and {one["name"] for one in found["ranked"]} == {"coffee", "tea", "soap"}
    listed = json.loads(run("enrolled", "--format", "json").stdout)
    assert [(each["name"], each["recordings"]) for each in listed["smells"]] == [
        ("coffee", 3),
        ("soap", 3),
        ("tea", 3),
    ]
    (apart,) = listed["apart"].values()
    assert (apart["asked"], apart["right"]) == (9, 9)


def test_without_anything_taught_such_a_board_is_told_what_to_do():
    result = run("identify", "--input", write("a.csv", names=BOARD), "--json")
    (found,) = json.loads(result.stdout)
    assert result.exit_code == 1 and "olfactory sense enroll" in found["error"]


def test_teaching_adds_and_replaces_and_warns():
    first = teach("coffee", 1)
    assert "coffee: 1 of 3 recordings" in first.stderr
    assert "coffee: 3 recordings" in teach("coffee", 2, start=5).stderr
    again = run("enroll", "coffee", write("x.csv", names=BOARD), "--replace", "--format", "json")
    assert json.loads(again.stdout)["recordings"] == 1


def test_a_bad_recording_is_told_of_and_the_rest_taught():
    Path("bad.csv").write_text("mq3,mq135\nx,1\n")
    result = run("enroll", "coffee", "bad.csv", write("a.csv", names=BOARD))
    assert result.exit_code == 1 and "bad.csv" in result.stderr
    assert run("enrolled").stdout.splitlines()[1].split()[0] == "1"


def test_a_recording_counts_once_and_a_path_to_nothing_costs_the_rest_nothing():
    good = write("mint.csv")
    result = run("enroll", "our-mint", good, "nowhere.csv", good)
    assert result.exit_code == 1, result.output
    assert "nowhere.csv: No such file" in result.output and "taught from before" in result.output
    assert "our-mint: 1 recordings" in result.output
    again = run("enroll", "our-mint", good)
    assert again.exit_code == 2 and "no recording that can be used" in again.output
    assert run("enroll", "our/mint", good).exit_code == 2


def test_a_header_that_comes_late_names_the_board(place):
    head, *rows = Path(write("whole.csv")).read_text().splitlines()
    count = head.count(",") + 1
    nameless = [f"c{place}" for place in range(1, count + 1)]
    late = [",".join([*nameless, *head.split(",")])]
    late += [row + "," * count for row in rows[:5]] + ["," * count + row for row in rows[5:]]
    Path("late.csv").write_text("\n".join(late) + "\n")
    Path("rest.csv").write_text("\n".join([head, *rows[5:]]) + "\n")
    rest, found = (
        json.loads(run("identify", "-i", file, "--json").stdout)[0] for file in ("rest.csv", "late.csv")
    )
    assert found["channels"] == rest["channels"]
    of_found, of_rest = ({r["name"]: r["probability"] for r in each["ranked"]} for each in (found, rest))
    assert of_found == pytest.approx(of_rest, abs=0.02)  # windows begin five rows apart
    assert not [each for each in found["warnings"] if ":c" in each]


def test_a_channel_that_the_board_lacks_is_told_of():
    write("few.csv", names={"VOC": "Humidity", "Humidity": "other"})
    (found,) = json.loads(run("identify", "-i", "few.csv", "--json").stdout)
    assert "missing:VOC" in found["warnings"]


def test_own_smells_go_before_those_of_the_model_on_a_board_that_it_knows():
    teach("coffee", names=None)
    path = write("new.csv", "coffee", 50)

    def names(smells):
        (found,) = json.loads(run("identify", "--input", path, "--json", "--smells", smells).stdout)
        return {each["name"] for each in found["ranked"]}

    base = {"cloves", "garlic", "mint"}
    assert names("auto") == names("own") == {"coffee"}
    assert names("base") == base and names("both") == base | {"coffee"}


def test_listening_to_a_board_teaches_it():
    result = run(
        "enroll", "tea", "--source", "replay:" + write("a.csv", "tea", names=BOARD), "--seconds", "130"
    )
    assert result.exit_code == 0 and "tea: 1 recordings" in result.stderr


def test_smells_go_to_another_machine_whole_or_not_at_all(monkeypatch):
    teach("coffee")
    teach("tea")
    assert run("export", "all.json").exit_code == 0
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")
    assert "2 smells taken in" in run("import", "all.json").stderr
    (found,) = json.loads(run("identify", "--input", write("n.csv", "tea", 9, names=BOARD), "--json").stdout)
    assert found["name"] == "tea"
    again = run("import", "all.json")
    assert again.exit_code == 2 and "was taught already" in again.stderr
    assert run("import", "all.json", "--replace").exit_code == 0
    run("forget", "tea")
    assert run("export", "one.json", "tea").exit_code == 2 and not Path("one.json").exists()
    stored = json.loads(Path("all.json").read_text())
    stored["smells"][1]["width"] = 3
    Path("broken.json").write_text(json.dumps(stored))
    run("forget", "coffee")
    broken = run("import", "broken.json")
    assert broken.exit_code == 2 and "broken.json, smell 2: " in broken.stderr
    assert json.loads(run("enrolled", "--format", "json").stdout)["smells"] == []


# -- watch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def profile():
    good = [write(f"good-{seed}.csv", seed=seed) for seed in range(6)]
    assert run("reference", *good, "--out", "ref.json").exit_code == 0
    return "ref.json"


def leak(times, values):
    values[times >= 80, 1] += 500


def test_a_good_batch_ends_with_0_and_a_bad_one_with_1(profile):
    for source in ("", "replay:"):
        good = run("watch", source + write("g.csv", seed=30), "--reference", profile)
        assert good.exit_code == 0, good.output
        (end,) = map(json.loads, good.stdout.splitlines())
        assert end["end"] and not end["deviates"]
        bad = run("watch", source + write("b.csv", seed=31, change=leak), "--reference", profile)
        assert bad.exit_code == 1
        end = json.loads(bad.stdout.splitlines()[-1])
        assert end["deviates"] and end["channels"][0]["channel"] == "CO"
        assert end["channels"][0]["direction"] == "high" and 80 <= end["channels"][0]["began"] <= 100
    assert end["seconds"] < 100  # the board's batch was not watched to its end


def test_the_hook_gets_the_verdict_and_watching_goes_on(profile):
    source = "replay:" + write("b.csv", seed=31, change=leak)
    result = run("watch", source, "--reference", profile, "--hook", "cat >> alarms.txt; exit 3")
    assert result.exit_code == 1 and "the hook ended with 3" in result.stderr
    told = json.loads(Path("alarms.txt").read_text())  # once for its one channel
    assert told["channels"][0]["channel"] == "CO"
    end = json.loads(result.stdout.splitlines()[-1])
    assert end["end"] and end["seconds"] > 140


def test_what_a_hook_writes_is_not_among_the_verdicts(profile):
    command = [sys.executable, "-m", "olfactory_transformer.cli", "sense", "watch"]
    options = [write("b.csv", seed=31, change=leak), "--reference", profile, "--hook", "echo rung"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    assert "rung" in done.stderr
    assert all(json.loads(line) for line in done.stdout.splitlines())


def test_a_batch_of_which_little_was_heard_is_told_of(profile):
    result = run("watch", write("short.csv", seed=30, seconds=40), "--reference", profile)
    assert result.exit_code == 0 and "the rest was not judged" in result.stderr
    whole = run("watch", write("g.csv", seed=30), "--reference", profile)
    assert "not judged" not in whole.stderr


def test_the_other_options(profile):
    short = run("watch", "replay:" + write("b.csv", change=leak), "--reference", profile, "--seconds", "60")
    assert short.exit_code == 0 and "not judged" not in short.stderr
    good = [f"good-{seed}.csv" for seed in range(6)]
    assert run("reference", *good, "--out", "start.json", "--against", "start").exit_code == 0
    assert json.loads(Path("start.json").read_text())["against"] == "start"
    Path("bad.csv").write_text("")
    broken = run("reference", *good, "bad.csv", "--out", "none.json")
    assert broken.exit_code == 2 and "bad.csv" in broken.stderr and not Path("none.json").exists()
