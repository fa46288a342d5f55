"""What the page about boards says is so."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import get_args

from olfactory_transformer.sensors.lines import LineReader
from olfactory_transformer.sensors.lines.fields import LONGEST_NAME, MOST_CHANNELS, field_of
from olfactory_transformer.sensors.lines.text import LONGEST
from olfactory_transformer.sensors.numbers import number
from olfactory_transformer.sensors.sources import serial
from olfactory_transformer.sensors.sources.contract import TroubleKind
from olfactory_transformer.sensors.sources.mqtt import ASK_AGAIN, INBOX

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "boards.md").read_text(encoding="utf-8")


def rows(heading):
    lines = PAGE.split(f"| {heading} |", 1)[1].splitlines()[2:]
    table = [line for line in lines[: lines.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_every_example_is_read():
    examples = [re.findall(r"`([^`]*\d[^`]*)`", row[1]) for row in rows("format")]
    assert [len(each) for each in examples] == [2, 4, 3, 1]
    examples[1] = examples[1][:1]  # then names of channels
    for row in examples:
        reader = LineReader()
        said = [reader.read(line.encode()) for line in row]
        assert said[-1].values and 830.0 in said[-1].values.values()


def test_every_trouble_is_there_and_no_other():
    assert {re.sub("`", "", row[0]) for row in rows("trouble")} == set(get_args(TroubleKind))


def test_names_and_numbers():
    for name in (
        "t",
        "time",
        "timestamp",
        "uptime",
        "seconds",
        "millis",
        "ms",
        "micros",
        "us",
        "t_ms",
        "time [ms]",
    ):
        assert f"`{name}`" in PAGE and field_of(name).role == "time"
    for name in ("seq", "sequence", "n", "frame"):
        assert f"`{name}`" in PAGE and field_of(name).role == "number"
    for name in ("device", "id", "board", "firmware", "version", "status", "substance"):
        assert f"`{name}`" in PAGE and field_of(name).role == "word"
    for text in ("nan", "inf", "ovf", "null"):
        assert f"`{text}`" in PAGE and math.isnan(number(text))
    assert f"{LONGEST:,} bytes, a frame {MOST_CHANNELS} channels, a name {LONGEST_NAME} characters" in PAGE
    assert f"an MQTT inbox of {INBOX:,} messages" in PAGE
    assert f"asked for again every {ASK_AGAIN:g} s" in PAGE
    assert f"after {serial.FIRST_WAIT:g} s, then twice as long up to {serial.LONGEST_WAIT:g} s" in PAGE
