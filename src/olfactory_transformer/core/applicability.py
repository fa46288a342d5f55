"""Whether a model may be asked about a molecule at all."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

FURTHEST = 95.0  # percentile of molecules the model had not seen; one in twenty of them is further away
# Degrees C. Of the molecules that people smell in mayhew2022, 97 of 100 boil below this; of the odourless ones 60.
NOT_VOLATILE = 400.0


@dataclass(frozen=True, slots=True)
class Applicability:
    """Whether a molecule is like those that the model learned from, and volatile.

    Parameters
    ----------
    inside : bool
        There is no reason to doubt that the model can be asked; of how sure it is, `confidence` tells.
    distance : float or None
        Mean cosine distance (0-2) on the odour map to the nearest molecules that the model learned from.
    percentile : float or None
        Percentage (0-100) of molecules new to the model that are nearer to what it learned from than this one.
    reasons : tuple of str
        Why the molecule is not inside.
    """

    inside: bool = True
    distance: float | None = None
    percentile: float | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Domain:
    """What the molecules that a model learned from have in common.

    Parameters
    ----------
    heavy_atoms : int
        The most that any of them has.
    elements : tuple of str
        Those, hydrogen included, that some of them have.
    """

    heavy_atoms: int
    elements: tuple[str, ...]


def assess(
    domain: Domain,
    heavy_atoms: int,
    elements: Set[str],
    distance: float | None = None,
    percentile: float | None = None,
    boiling_point: float | None = None,
) -> Applicability:
    """Say of one molecule whether it is inside, and why not.

    Parameters
    ----------
    domain : Domain
    heavy_atoms : int
    elements : set of str
    distance, percentile : float or None
        See `Applicability`.
    boiling_point : float or None
        Predicted, in degrees C at normal pressure.

    Examples
    --------
    >>> assess(Domain(20, ("C", "H", "O")), 21, {"C", "Cu"}, boiling_point=512.3).reasons
    ('21 heavy atoms, and it learned from at most 20', 'hardly learned from molecules with Cu', 'hardly volatile: ...
    """
    reasons = []
    if heavy_atoms > domain.heavy_atoms:
        reasons.append(f"{heavy_atoms} heavy atoms, and it learned from at most {domain.heavy_atoms}")
    if unknown := sorted(elements - set(domain.elements)):
        reasons.append(f"hardly learned from molecules with {', '.join(unknown)}")
    if boiling_point is not None and boiling_point > NOT_VOLATILE:
        reasons.append(f"hardly volatile: boils at about {boiling_point:.0f} degrees C")
    if percentile is not None and percentile > FURTHEST:
        reasons.append(f"unlike anything it learned from: further than {percentile:.0f} % of new molecules")
    return Applicability(not reasons, distance, percentile, tuple(reasons))
