import sys
from pathlib import Path

import numpy as np
import pytest

from olfactory_transformer.core.errors import ModelForeign, UnknownSmell
from olfactory_transformer.core.smells import Smell, SmellIdentification
from olfactory_transformer.inference.nose.enrolment import Enrolled, enrol
from olfactory_transformer.inference.nose.fake import FakeNose
from olfactory_transformer.inference.nose.taught import Taught, TaughtEvidence

sys.path.insert(0, str(Path(__file__).parent))
from smelling import recording

NOSE = FakeNose()


def smell(name: str, count: int = 4, of: str | None = None, start: int = 0) -> Enrolled:
    return enrol(NOSE, name, [recording(of or name, seed) for seed in range(start, start + count)])


def identify(evidence, readings):
    evidence.add(readings)
    return evidence.answer()


@pytest.fixture(scope="module")
def taught() -> Taught:
    return Taught([smell("coffee"), smell("tea"), smell("soap")], NOSE.version)


class Base:
    """Evidence of a model that always says the same of its own smells."""

    def __init__(self, settled: bool = True) -> None:
        self.settled, self.heard = settled, 0

    def add(self, readings):
        self.heard += len(readings.ends)

    def answer(self):
        ranked = (Smell("mint", 0.6), Smell("coffee", 0.3))
        return SmellIdentification(ranked, 0.1, settled=self.settled, warnings=("short",))


@pytest.mark.parametrize("name", ["coffee", "tea", "soap"])
def test_a_new_recording_is_named_at_another_strength_and_in_another_room(taught, name):
    for seed in (50, 51):
        answer = identify(TaughtEvidence(taught), NOSE.read(recording(name, seed, strength=180)))
        assert answer.name == name and answer.ranked[0].probability > 0.8
        assert sum(each.probability for each in answer.ranked) + answer.unknown == pytest.approx(1)
        chances = [each.probability for each in answer.ranked]
        assert chances == sorted(chances, reverse=True)


def test_what_was_not_taught_is_unknown(taught):
    answer = identify(TaughtEvidence(taught), NOSE.read(recording("ether", 7)))
    assert answer.name == "unknown" and answer.unknown > 0.6


def test_one_recording_is_enough_to_begin():
    one = Taught([smell("coffee", 1)], NOSE.version)
    assert identify(TaughtEvidence(one), NOSE.read(recording("coffee", 9))).name == "coffee"
    assert identify(TaughtEvidence(one), NOSE.read(recording("tea", 9))).name == "unknown"


def test_the_further_away_the_less_probable(taught):
    at = taught.smells[0].prototypes[0].astype(np.float64)
    away = np.eye(16)[0] - at[0] * at
    away /= np.linalg.norm(away)
    found = [
        Taught([taught.smells[0]], NOSE.version).chances(
            (np.cos(angle) * at + np.sin(angle) * away)[None].astype(np.float32)
        )[1]
        for angle in np.linspace(0, np.pi, 20)
    ]
    assert found == sorted(found) and found[0] < 0.1 and found[-1] > 0.9


def test_the_answer_settles_and_says_what_it_heard(taught):
    evidence, readings = TaughtEvidence(taught), NOSE.read(recording("tea", 8, seconds=120))
    settled = []
    for row in range(len(readings.ends)):
        evidence.add(readings.window(row))
        settled.append(evidence.answer().settled)
    answer = evidence.answer()
    assert settled[:3] == [False] * 3 and settled[-1]
    assert (answer.windows, answer.seconds) == (len(readings.ends), 120)
    assert answer.channels == ("NO2", "CO", "VOC") and answer.model_version == NOSE.version


def test_an_answer_that_moves_has_not_settled(taught):
    evidence = TaughtEvidence(taught)
    for name in ("tea", "tea", "tea", "tea", "coffee"):
        evidence.add(NOSE.read(recording(name, 3)))
    assert not evidence.answer().settled


def test_with_the_base_what_is_none_of_the_taught_is_what_the_base_says(taught):
    readings = NOSE.read(recording("ether", 7))
    own = identify(TaughtEvidence(taught), readings)
    both = identify(TaughtEvidence(taught, Base()), readings)
    chance = {each.name: each.probability for each in both.ranked}
    alone = {each.name: each.probability for each in own.ranked}
    assert both.name == "mint" and chance["mint"] == pytest.approx(0.6 * own.unknown)
    # A smell of the base that was taught, too, is one smell.
    assert chance["coffee"] == pytest.approx(alone["coffee"] + 0.3 * own.unknown)
    assert both.unknown == pytest.approx(0.1 * own.unknown)
    assert sum(chance.values()) + both.unknown == pytest.approx(1)
    assert both.warnings == ("short",)


def test_what_was_taught_goes_before_the_base(taught):
    answer = identify(TaughtEvidence(taught, Base()), NOSE.read(recording("tea", 6)))
    assert answer.name == "tea" and answer.ranked[0].probability > 0.8


def test_a_base_that_has_not_settled_counts_where_it_is_asked(taught):
    unknown = NOSE.read(recording("ether", 7, seconds=120))
    assert identify(TaughtEvidence(taught, Base(settled=True)), unknown).settled
    assert not identify(TaughtEvidence(taught, Base(settled=False)), unknown).settled


def test_a_channel_that_is_gone_is_told(taught):
    answer = identify(TaughtEvidence(taught), NOSE.read(recording("tea", 6, channels=("CO", "VOC"))))
    assert answer.warnings == ("missing:NO2",)


def test_the_report_of_smells_that_differ(taught):
    report = taught.report()
    assert (report.asked, report.right, report.confused, report.warnings) == (12, 12, (), ())


def test_the_report_of_two_names_for_one_smell():
    report = Taught([smell("coffee"), smell("mocha", of="coffee", start=20)], NOSE.version).report()
    assert report.asked == 8 and report.right < 8
    assert {frozenset(pair[:2]) for pair in report.confused} == {frozenset(("coffee", "mocha"))}
    assert sum(count for *_, count in report.confused) == 8 - report.right
    assert any("taken for" in warning for warning in report.warnings)


def test_the_report_of_recordings_that_disagree():
    mixed = enrol(NOSE, "mixed", [*(recording("coffee", seed) for seed in range(3)), recording("tea", 3)])
    report = Taught([mixed], NOSE.version).report()
    assert report.confused == (("mixed", "unknown", 1),)
    assert report.warnings == ("mixed: 1 of 4 recordings are unlike the others of the same name",)


def test_the_report_of_too_few_recordings():
    report = Taught([smell("coffee", 1), smell("mocha", 1, of="coffee", start=5)], NOSE.version).report()
    assert report.asked == 0
    assert [warning.split(":")[0] for warning in report.warnings[:2]] == ["coffee", "mocha"]
    assert "coffee and mocha lie so near" in report.warnings[2]


def test_what_was_taught_to_another_model_is_refused(taught):
    old = enrol(FakeNose(version="made-up-nose@0"), "coffee", [recording()])
    with pytest.raises(ModelForeign, match="coffee: taught to another model than made-up-nose@1; enrol"):
        Taught([old], NOSE.version)


def test_nothing_taught_or_heard(taught):
    with pytest.raises(UnknownSmell):
        Taught([], NOSE.version)
    answer = TaughtEvidence(taught).answer()
    assert (answer.name, answer.unknown, answer.ranked) == ("unknown", 1.0, ())
