import os

import pytest

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.identity import check_sensor_id, sensor_id_of


class Named:
    """As much of a source as has a name."""

    def __init__(self, kind, name):
        self.kind, self.name = kind, name


@pytest.mark.parametrize("text", ["", "a b", "a\n", "é", "x" * 101, "a#b", "a?b", "50%", 'a"b', "a\\b"])
def test_what_is_no_id(text):
    with pytest.raises(CalibrationError, match="expected 1 to 100 printable ASCII"):
        check_sensor_id(text)


def test_a_board_without_a_serial_number_is_called_by_its_place():
    master, slave = os.openpty()
    try:
        name = f"serial:{os.ttyname(slave)}"
        assert sensor_id_of(Named("serial", name)) == name
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("mqtt", "mqtt:host/lab/nose", "mqtt:host/lab/nose"),
        ("replay", "replay:tea \u2603 #1.csv", "replay:tea----1.csv"),
        ("simulated", "simulated:" + "x" * 200, ("simulated:" + "x" * 200)[:100]),
        ("simulated", "", "simulated"),
    ],
)
def test_whatever_a_source_is_called_it_makes_an_id(kind, name, expected):
    assert check_sensor_id(sensor_id_of(Named(kind, name))) == expected
