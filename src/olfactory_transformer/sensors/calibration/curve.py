"""Power laws from compounds at known concentrations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np

from olfactory_transformer.core.errors import CalibrationError

_FLAT = 0.02  # an exponent below which ppm would be anything: ten times the gas, 5 % of the level


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rs/R0 = a · ppm^b of one channel and one compound.

    Parameters
    ----------
    a, b : float
        b is negative for a reducing gas on an n-type oxide.
    rms : float or None
        The fit's error, decades of Rs/R0, with the degrees of freedom it has left; None of two points, which any
        line goes through.
    points : int
        Measurements.
    low, high : float
        ppm, from the least to the most that was measured.
    """

    a: Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
    b: Annotated[float, msgspec.Meta(gt=-100, lt=100)]
    rms: Annotated[float, msgspec.Meta(ge=0, lt=100)] | None
    points: Annotated[int, msgspec.Meta(ge=2)]
    low: Annotated[float, msgspec.Meta(gt=0, le=1e6)]
    high: Annotated[float, msgspec.Meta(gt=0, le=1e6)]

    def __post_init__(self) -> None:
        if not self.low < self.high or not self.b:
            raise ValueError(f"got a curve from {self.low:g} to {self.high:g} ppm with b = {self.b:g}")

    def ratio(self, ppm: float) -> float:
        """Return Rs/R0 at a concentration.

        >>> Curve(2.0, -0.5, None, 2, 1.0, 100.0).ratio(4.0)
        1.0
        """
        return float(self.a * ppm**self.b)

    def ppm(self, log_ratio: float) -> float:
        """Return the concentration at a log10 of Rs/R0: one of this compound alone, as a channel cannot tell.

        >>> Curve(2.0, -0.5, None, 2, 1.0, 100.0).ppm(0.0)
        4.0
        """
        return float(10 ** min((log_ratio - np.log10(self.a)) / self.b, 300.0))

    def covers(self, ppm: float) -> bool:
        """Return whether a concentration lies where was measured; elsewhere the curve is a guess.

        >>> Curve(2.0, -0.5, None, 2, 1.0, 100.0).covers(150.0)
        False
        """
        # A breath of room for rounding: what was measured is inside.
        return bool(self.low * (1 - 1e-6) <= ppm <= self.high * (1 + 1e-6))


def fit_curve(ppm: Sequence[float], log_ratios: Sequence[float]) -> Curve:
    """Fit a power law by least squares in both logarithms.

    Data sheets of metal-oxide sensors draw Rs/R0 against ppm on two logarithmic axes, where most curves are nearly
    straight lines, flatter at both ends.

    Parameters
    ----------
    ppm : sequence (n,) of float
        Concentrations, above 0, at least two of them different.
    log_ratios : sequence (n,) of float
        log10 of Rs/R0 at each.

    Raises
    ------
    CalibrationError
        They are too few or too alike, or the channel does not react.

    Examples
    --------
    Points of the curve for alcohol in the data sheet of the MQ-3, in mg/l:

    >>> concentration = [0.1, 0.402, 1.008, 2.535, 10.0]
    >>> curve = fit_curve(concentration, np.log10([2.332, 1.025, 0.542, 0.289, 0.114]))
    >>> round(curve.b, 2), round(curve.rms, 3)
    (-0.66, 0.019)
    """
    check_ppm(ppm)
    x, y = np.log10(np.asarray(ppm, np.float64)), np.asarray(log_ratios, np.float64)
    if not np.isfinite(y).all():
        raise CalibrationError("got a level that is no number, expected readings of the compound")
    if is_flat(ppm, log_ratios):
        raise CalibrationError("got the same level at all concentrations, expected a channel that reacts")
    b, log_a = np.polyfit(x, y, 1)
    residual = y - log_a - b * x
    rms = float(np.sqrt((residual**2).sum() / (len(x) - 2))) if len(x) > 2 else None
    return Curve(float(10**log_a), float(b), rms, len(x), float(min(ppm)), float(max(ppm)))


def check_ppm(ppm: Sequence[float], compound: str = "a compound") -> None:
    """Refuse concentrations that no curve can be fitted to.

    Raises
    ------
    CalibrationError
        One is not above 0, to 1,000,000, or they are all the same.
    """
    for each in ppm:
        if not 0 < each <= 1e6:  # nor NaN
            raise CalibrationError(f"got {each:g} ppm of {compound}, expected above 0, to 1000000")
    if len(set(ppm)) < 2:
        got = f"{len(set(ppm))} concentration{'' if len(set(ppm)) else 's'}"
        raise CalibrationError(f"got {got} of {compound}, expected two different ones or more")


def is_flat(ppm: Sequence[float], log_ratios: Sequence[float]) -> bool:
    """Return whether a channel does not react: ten times the gas changes its level by less than 5 %.

    >>> is_flat([1, 10, 100], [0.0, 0.001, 0.0])
    True
    """
    return abs(float(np.polyfit(np.log10(np.asarray(ppm, np.float64)), log_ratios, 1)[0])) < _FLAT
