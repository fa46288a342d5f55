import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.build import Reference, calibrate, measure_drift
from olfactory_transformer.sensors.calibration.value import Calibration, Drift, status_of

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def calibration(board, scales):
    return calibrate(
        "desk",
        board.record(),
        references=[Reference("ethanol", ppm, board.record(ppm=ppm)) for ppm in (10, 50, 200)],
        other_air=[board.record(temperature=t) for t in (20, 30)],
        scales=scales,
        made=NOW,
        notes={"place": "lab"},
    )


def test_json_and_back(calibration, board):
    for each in (calibration, measure_drift(calibration, board.record(), at=NOW)):
        text = json.dumps(each.as_dict(), allow_nan=False)
        assert Calibration.from_dict(json.loads(text)) == each


def broken(content, path, value):
    *way, last = path
    place = content
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["sensor_id"], "", "sensor_id"),
        (["sensor_id"], "a\nb", "printable"),
        (["sensor_id"], "x" * 101, "1 to 100 printable"),
        (["sensor_id"], 7, r"\$.sensor_id"),
        (["made"], "yesterday", r"\$.made"),
        (["made"], "2026-05-01T00:00:00", r"\$.made"),
        (["expires"], "2026-04-01T00:00:00Z", "before it was made"),
        (["channels"], {}, r"\$.channels"),
        (["channels"], ..., "channels"),
        (["version"], 2, r"\$.version"),
        (["more"], 1, "unknown field `more`"),
        (["channels", "mq3", "level"], "60", r"\$.channels"),
        (["channels", "mq3", "level"], float("nan"), r"\$.channels"),
        (["channels", "mq3", "log_level"], float("inf"), r"\$.channels"),
        (["channels", "mq3", "scale", "response"], "up", r"\.scale\.response"),
        (["channels", "mq3", "scale", "full_scale"], 0, r"\.scale\.full_scale"),
        (["channels", "mq3", "curves", "ethanol", "a"], -1, r"\.curves"),
        (["channels", "mq3", "curves", "ethanol", "b"], 0, "with b = 0"),
        (["channels", "mq3", "curves", "ethanol", "high"], 1, "from 10 to 1 ppm"),
        (["channels", "mq3", "noise", "changes"], 1.5, r"\.noise\.changes"),
        (["room", "pressure"], 1013, "pressure"),
        (["drift"], {"channels": {}, "threshold": 0.1, "at": "2026-05-01T00:00:00Z"}, r"\$.drift"),
    ],
)
def test_what_is_no_calibration_is_refused_with_the_place(calibration, path, value, where):
    with pytest.raises(CalibrationError, match=f"^not a calibration: .*{where}"):
        Calibration.from_dict(broken(calibration.as_dict(), path, value))


@pytest.mark.parametrize("content", [None, [], "x", 7, {}])
def test_what_is_no_object_at_all(content):
    with pytest.raises(CalibrationError, match="not a calibration"):
        Calibration.from_dict(content)


def test_values_stay_as_they_are(calibration):
    for value in (calibration, calibration.channels["mq3"], calibration.channels["mq3"].curves["ethanol"]):
        with pytest.raises(AttributeError):
            value.notes = {}


def test_it_expires_after_30_days(calibration):
    assert calibration.expires - calibration.made == timedelta(days=30)
    assert calibration.status(NOW + timedelta(days=29.9)) == "ok"
    assert calibration.status(NOW + timedelta(days=30)) == "expired" == status_of(calibration)
    assert status_of(None) == "none"


def test_days_can_be_set(board):
    made = calibrate("x", board.record(), days=0.5, made=NOW)
    assert made.expires == NOW + timedelta(hours=12)
    for days in (0, 5e-324, -1, 3651, float("nan")):
        with pytest.raises(CalibrationError, match="days: got"):
            calibrate("x", board.record(), days=days)


def test_drift_shows_in_the_status(calibration):
    def drifted(**channels):
        return msgspec.structs.replace(calibration, drift=Drift(channels, 0.1, NOW))

    assert drifted(mq3=0.05, mq7=-0.09).status(NOW) == "ok"
    much = drifted(mq3=0.05, mq7=-0.1)
    assert much.status(NOW) == "drifted" and much.drift.drifted == ("mq7",) and much.drift.worst == 0.1
    assert much.status(NOW + timedelta(days=31)) == "expired"


def test_compounds(calibration, board):
    assert calibration.compounds == ("ethanol",)
    assert calibrate("x", board.record()).compounds == ()
