import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.core.errors import CalibrationError
from olfactory_transformer.sensors.calibration.curve import Curve, fit_curve


@given(
    a=st.floats(0.01, 100),
    b=st.one_of(st.floats(-2, -0.05), st.floats(0.05, 2)),
    ppm=st.lists(st.floats(0.1, 10_000), min_size=2, max_size=8, unique_by=lambda x: round(math.log10(x), 1)),
)
def test_a_power_law_is_found_again(a, b, ppm):
    curve = fit_curve(ppm, np.log10([a * each**b for each in ppm]))
    assert curve.b == pytest.approx(b, abs=1e-6) and curve.a == pytest.approx(a, rel=1e-4)
    assert (curve.points, curve.low, curve.high) == (len(ppm), min(ppm), max(ppm))
    assert curve.rms is None if len(ppm) == 2 else curve.rms < 1e-6
    for each in ppm:
        assert curve.ppm(np.log10(curve.ratio(each))) == pytest.approx(each, rel=1e-3) and curve.covers(each)


def test_the_error_is_that_of_the_noise():
    rng, ppm = np.random.default_rng(3), np.logspace(0, 3, 40)
    curve = fit_curve(ppm, -0.5 * np.log10(ppm) + rng.normal(0, 0.05, 40))
    assert curve.rms == pytest.approx(0.05, rel=0.3) and curve.b == pytest.approx(-0.5, abs=0.03)


def test_least_squares_as_numpy_has_it():
    ppm, logs = [1, 10, 10, 100], [0.1, -0.4, -0.5, -1.2]
    design = np.column_stack([np.log10(ppm), np.ones(4)])
    (b, log_a), residual, *_ = np.linalg.lstsq(design, np.array(logs), rcond=None)
    curve = fit_curve(ppm, logs)
    assert (curve.b, math.log10(curve.a)) == pytest.approx((b, log_a))
    assert curve.rms == pytest.approx(math.sqrt(residual[0] / 2))


@pytest.mark.parametrize(
    ("ppm", "logs", "what"),
    [
        ([0, 10], [0, -1], "got 0 ppm"),
        ([-1, 10], [0, -1], "got -1 ppm"),
        ([math.nan, 10], [0, -1], "got nan ppm"),
        ([1e7, 10], [0, -1], "got 1e.07 ppm"),
        ([10, 10], [0, -1], "got 1 concentration of a compound, expected two"),
        ([], [], "got 0 concentrations"),
        ([1, 10], [0, math.nan], "no number"),
        ([1, 100], [0, 0.001], "the same level"),
    ],
)
def test_what_no_curve_goes_through(ppm, logs, what):
    with pytest.raises(CalibrationError, match=what):
        fit_curve(ppm, logs)


def test_outside_is_told():
    curve = Curve(2.0, -0.5, 0.01, 4, 5.0, 500.0)
    assert [curve.covers(each) for each in (4.9, 5, 500, 501)] == [False, True, True, False]
    assert curve.ppm(-1e6) == 1e300  # and no overflow
