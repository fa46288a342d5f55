"""Frames that follow one another, and those that do not, with both clocks in hand."""

from __future__ import annotations

import pytest

from olfactory_transformer.sensors.lines import Said
from olfactory_transformer.sensors.sources.continuity import Continuity

MILLIS = 2**32 * 1e-3


def told(*frames, starts_before=()):
    """Return the kinds of breaks of (number, device time, our time) in a row, each frame's in a list."""
    board, found = Continuity(), []
    for at, (number, device, ours) in enumerate(frames):
        if at in starts_before:
            board.starts()
        said = Said(
            {"CO": 1.0}, device_time=device, number=number, wraps=MILLIS if device is not None else None
        )
        found.append([(each.kind, each.count) for each in board.check(said, ours)])
    return found


def numbers(*found):
    return told(*((number, None, float(at)) for at, number in enumerate(found)))


def test_frames_that_follow_one_another():
    assert told(*((at, 100.0 + at, 7.0 + at) for at in range(50))) == [[]] * 50


@pytest.mark.parametrize(
    ("found", "last"),
    [
        ((5, 6), []),
        ((5, 9), [("lost", 3)]),
        ((5, 5), []),  # said twice, or no number that counts
        ((5, 4), [("restarted", 1)]),
        ((900, 0), [("restarted", 1)]),
        ((255, 0), []),  # counters of 8, 16 and 32 bits go round
        ((254, 2), [("lost", 3)]),
        ((65535, 0), []),
        ((2**32 - 1, 1), [("lost", 1)]),
        ((200, 0), [("restarted", 1)]),
        ((5, 10**9), [("restarted", 1)]),
        ((None, 5), []),
    ],
)
def test_numbers(found, last):
    assert numbers(*found)[-1] == last


def test_a_number_that_is_missing_now_and_then_is_remembered():
    assert numbers(5, None, 8)[-1] == [("lost", 2)]


def test_a_counter_that_is_at_its_end_when_the_board_starts_again():
    frames = [(255, None, 0.0), (0, None, 1.0)]
    assert told(*frames, starts_before={1})[-1] == [("restarted", 1)]


def test_what_it_says_when_it_starts_counts_only_if_nothing_tells_that_it_did_not():
    assert told((None, None, 0.0), (None, None, 1.0), starts_before={1})[-1] == [("restarted", 1)]
    assert told((7, None, 0.0), (8, None, 1.0), starts_before={1})[-1] == []  # a header now and then
    assert told((None, 50.0, 0.0), (None, 51.0, 1.0), starts_before={1})[-1] == []


def test_both_clock_and_number_begin_anew_in_one_restart():
    assert told((90, 900.0, 0.0), (0, 0.5, 5.0), (1, 1.5, 6.0))[1:] == [[("restarted", 1)], []]


def test_its_clock_jumps_forwards_and_backwards_and_is_followed_from_there():
    frames = [(None, device, float(ours)) for ours, device in enumerate([500, 501, 900, 901, 700, 701])]
    assert [[kind for kind, _ in each] for each in told(*frames)] == [
        [],
        [],
        ["clock-jump"],
        [],
        ["clock-jump"],
        [],
    ]


def test_frames_that_come_late_and_all_at_once_are_no_jump():
    late = [(None, 500.0 + at, 60.0 + at * 1e-3) for at in range(1, 60)]
    after = [(None, 500.0 + at, float(at)) for at in range(61, 90)]
    assert told((None, 500.0, 0.0), *late, *after) == [[]] * 89


def test_a_clock_that_stays_behind_has_jumped():
    before = [(None, 500.0 + at, float(at)) for at in range(5)]
    behind = [(None, 480.0 + at, float(at)) for at in range(30, 50)]
    found = [kind for each in told(*before, *behind) for kind, _ in each]
    assert found == ["clock-jump"]


def test_a_clock_that_is_slow_or_fast_is_no_jump():
    for rate in (0.98, 1.02):
        assert told(*((None, 500.0 + rate * at, float(at)) for at in range(5000))) == [[]] * 5000


def test_milliseconds_in_32_bits_go_round():
    end = MILLIS - 1.0
    frames = [(None, end, 0.0), (None, 0.0, 1.0), (None, 1.0, 2.0), (None, 2.0, 3.0)]
    assert told(*frames) == [[]] * 4
    assert [kind for kind, _ in told((None, end, 0.0), (None, 0.0, 500.0))[-1]] == ["restarted"]
