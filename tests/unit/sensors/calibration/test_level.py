import numpy as np
import pytest

from olfactory_transformer.sensors.calibration.level import Scale, scale_of, spread
from olfactory_transformer.sensors.channels import Channel, channel


def test_a_divider_gives_back_the_resistance():
    resistances = np.array([0.5, 10.0, 200.0])
    over_load = 1023 * 10 / (resistances + 10)
    for response, counts in (("rises", over_load), ("falls", 1023 - over_load)):
        logs = Scale(response, full_scale=1023, load=10).log_resistance(counts)
        assert 10**logs == pytest.approx(resistances)


def test_the_ratio_of_two_resistances_needs_no_load():
    with_load, without = (Scale("rises", 1, 1023, load) for load in (10, None))
    counts = [20, 300]
    assert np.diff(with_load.log_resistance(counts)) == pytest.approx(np.diff(without.log_resistance(counts)))
    assert with_load.in_kohm and not without.in_kohm


def test_without_full_scale_the_ratio_of_readings_stands_for_it():
    assert np.diff(Scale("rises", 1).log_resistance([100, 200])) == pytest.approx([-np.log10(2)])
    assert np.diff(Scale("falls").log_resistance([100, 200])) == pytest.approx([np.log10(2)])
    # It is good while counts are small against full scale.
    exact = np.diff(Scale("rises", 1, 65535).log_resistance([100, 200]))
    assert exact == pytest.approx([-np.log10(2)], abs=1e-3)


def test_readings_that_say_nothing():
    logs = Scale("rises", 1).log_resistance(np.array([np.nan, 2**32 - 1, 0, 1], np.float32))
    assert np.isnan(logs[:2]).all() and logs[2:].tolist() == pytest.approx([np.log10(2), 0])
    assert np.isnan(Scale("falls").log_resistance([0.0, -1.0])).all()
    ends = Scale("rises", 1, 1023).log_resistance([0, 1023, 5000])
    assert np.isfinite(ends).all() and ends[0] > ends[1] == ends[2]


def test_scales_by_the_unit():
    whole, parts = np.array([3, np.nan], np.float32), np.array([3.5], np.float32)
    assert scale_of(channel("CO"), parts) == Scale("rises", 1)
    assert scale_of(channel("mq3"), whole) == Scale("rises", 1)
    assert scale_of(channel("mq3"), parts) == Scale("rises", 0)
    assert scale_of(Channel("s", "kOhm", "gas"), whole) == Scale("falls", 0)
    stated = scale_of(channel("CO"), whole, response="falls", full_scale=4095, load=4.7)
    assert stated == Scale("falls", 1, 4095, 4.7)


def test_the_spread_hardly_knows_outliers():
    values = np.random.default_rng(1).normal(0, 1, 1000)
    values[:50] = 1e6
    assert 0.9 < spread(values) < 1.3 and spread(np.array([])) == 0
