from __future__ import annotations

import pytest

from olfactory_transformer.inference.runtime import LENGTHS, padded_length, plan


def test_lengths_cover_every_molecule_allowed():
    assert LENGTHS[-1] == 200 and list(LENGTHS) == sorted(LENGTHS)
    for atoms in range(1, 201):
        assert padded_length(atoms) >= atoms
        assert padded_length(atoms) in LENGTHS


def test_a_plan_has_every_molecule_once_in_bounded_batches():
    lengths = [(7 * i) % 200 + 1 for i in range(1500)]
    batches = plan(lengths)
    assert sorted(i for batch in batches for i in batch) == list(range(1500))
    for batch in batches:
        padded = {padded_length(lengths[i]) for i in batch}
        assert len(padded) == 1
        assert len(batch) == 1 or (len(batch) <= 128 and len(batch) * padded.pop() ** 2 <= 400_000)


@pytest.mark.parametrize(("lengths", "batches"), [([], []), ([5], [[0]]), ([1000, 1000], [[0], [1]])])
def test_small_plans(lengths, batches):
    assert plan(lengths) == batches
