import sys
from dataclasses import replace
from pathlib import Path

import pytest

from olfactory_transformer.core.errors import RecordingError, UnknownSmell
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.core.smells import Smell, SmellIdentification
from olfactory_transformer.inference.nose.enrolment import enrol
from olfactory_transformer.inference.nose.fake import FakeNose
from olfactory_transformer.inference.nose.naming import Namer
from olfactory_transformer.inference.nose.plain import PlainNose
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

sys.path.insert(0, str(Path(__file__).parent))
from smelling import recording

NOSE, PLAIN = FakeNose(), PlainNose()


class Base:
    """Evidence that always says mint."""

    def add(self, readings):
        pass

    def answer(self):
        return SmellIdentification((Smell("mint", 0.9),), 0.1, seconds=60.0, model_version=NOSE.version)


def foreign(smell="coffee", seed=0):
    """A recording of a board that no model knows."""
    made = recording(smell, seed, seconds=120)
    return Recording(tuple(map(channel, ("mq3", "mq135", "s7", "rh"))), made.times, made.values)


def namer(*taught, smells="auto"):
    return Namer(NOSE, Base, NoseConfig(("NO2", "CO", "VOC"), NOSE.smells), taught, smells)


def coffee(model=NOSE, of=recording):
    return enrol(model, "coffee", [of("coffee", seed=seed) for seed in range(3)])


@pytest.mark.parametrize(
    ("smells", "names"),
    [("auto", {"coffee"}), ("own", {"coffee"}), ("base", {"mint"}), ("both", {"coffee", "mint"})],
)
def test_whose_smells_are_named(smells, names):
    answer = namer(coffee(), smells=smells).identify(recording(seed=9))
    assert {each.name for each in answer.ranked} == names
    assert sum(each.probability for each in answer.ranked) + answer.unknown == pytest.approx(1)


def test_what_shows_the_session_is_named_by_the_model():
    """A name that the model knows, with its usual counts: the taught recordings are a sample, and no smell."""
    config = NoseConfig(
        ("NO2", "CO", "VOC"),
        ("mint", "clove"),
        levels=(9.0,) * 6,
        level_spread=(0.1,) * 3,
        session_gain=(0.1,) * 3,
        session_offset=(1.0,) * 3,
    )
    clove = enrol(NOSE, "clove", [recording("tea")])

    def named(*taught, smells="both"):
        answer = Namer(NOSE, Base, config, taught, smells).identify(recording("tea", 1))
        return {each.name for each in answer.ranked}

    assert named(clove) == {"mint"}  # which the base says, whatever it hears
    assert named(clove, coffee()) == {"mint", "coffee"}
    assert named(clove, smells="own") == named(clove, smells="auto") == {"clove"}
    assert named(replace(clove, counts=None)) == {"mint", "clove"}  # as from an old export


def test_with_nothing_taught_the_model_names():
    assert namer().identify(recording()).name == "mint"
    with pytest.raises(UnknownSmell, match="no smell was taught to made-up-nose@1"):
        namer(smells="own").identify(recording())


def test_less_than_a_window_is_warned_of():
    window = int(NOSE.window_seconds)
    short, whole = (namer(coffee()).identify(recording(seed=9, seconds=s)) for s in (window // 2, window))
    assert short.warnings == ("short",) and whole.warnings == ()


def test_two_short_pieces_are_no_window():
    made = foreign(seed=9)
    parted = Recording(made.channels, made.times + 300 * (made.times >= 60), made.values)
    assert namer(coffee(PLAIN, foreign)).identify(parted).warnings == ("short",)
    assert namer(coffee(PLAIN, foreign)).identify(made).warnings == ()


def test_a_board_that_the_model_does_not_know_has_its_own_smells():
    taught = (coffee(), coffee(PLAIN, foreign), enrol(PLAIN, "tea", [foreign("tea")]))
    for smells in ("auto", "own", "both"):  # the model has nothing to say of such a board
        answer = namer(*taught, smells=smells).identify(foreign("coffee", 9))
        assert {each.name for each in answer.ranked} == {"coffee", "tea"} and answer.name == "coffee"
        assert answer.model_version == PLAIN.version
    for smells in ("auto", "base"):
        with pytest.raises(UnknownSmell, match=r"it knows NO2, CO, VOC\. Teach it"):
            namer(coffee(), smells=smells).identify(foreign())


def test_what_was_taught_to_another_version_is_told_and_not_used():
    old = coffee(FakeNose(version="made-up-nose@0"))
    answer = namer(old).identify(recording())
    assert answer.name == "mint" and answer.warnings == ("not-used:coffee",)
    # Of another model altogether it was never meant for this board.
    assert namer(coffee(PLAIN, foreign)).identify(recording()).warnings == ()


def test_what_nothing_can_be_made_of():
    with pytest.raises(RecordingError):
        namer().identify(recording(channels=("Temperature",)))
