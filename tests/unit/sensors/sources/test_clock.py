"""The times of frames do not fall, whatever is done to the machine's clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.sensors.sources.clock import ArrivalClock


class Clocks:
    def __init__(self):
        self.wall, self.monotonic = 1e9, 50.0
        self.clock = ArrivalClock(lambda: self.wall, lambda: self.monotonic)

    def after(self, seconds, jump=0.0):
        self.wall += seconds + jump
        self.monotonic += seconds
        arrival = self.clock.now()
        assert arrival.monotonic == self.monotonic
        return arrival.time, arrival.jumped


def test_it_is_the_machines():
    clocks = Clocks()
    assert clocks.after(0) == (1e9, 0.0)
    assert clocks.after(5) == (1e9 + 5, 0.0)


def test_it_goes_forward_with_the_machines_and_not_back():
    clocks = Clocks()
    clocks.after(0)
    assert clocks.after(1, 3600) == (1e9 + 3601, pytest.approx(3600))
    assert clocks.after(1, -600) == (1e9 + 3602, pytest.approx(-600))
    assert clocks.after(1) == (1e9 + 3603, 0.0)
    assert clocks.after(1, 600) == (1e9 + 3604, pytest.approx(600))
    assert clocks.wall == 1e9 + 3604  # it is the machine's again


@given(st.lists(st.tuples(st.floats(0, 1e4), st.sampled_from([0.0, 1.5, -1.5, 3600.0, -3600.0, 1e8, -1e8]))))
def test_it_never_falls(steps):
    clocks = Clocks()
    times = [clocks.after(seconds, jump)[0] for seconds, jump in steps]
    assert times == sorted(times)
