from dataclasses import replace

import numpy as np
import pytest

from olfactory_transformer.core.errors import RecordingError
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.nose.enrolment import Enrolled, enrol, from_bytes, to_bytes
from olfactory_transformer.inference.nose.evidence import Evidence
from olfactory_transformer.inference.nose.naming import Namer
from olfactory_transformer.inference.nose.plain import PlainNose
from olfactory_transformer.inference.nose.predictor import NosePredictor
from olfactory_transformer.inference.nose.session import session_of, shift_of
from olfactory_transformer.sensors.channels import channel
from olfactory_transformer.sensors.recording import Recording

CONFIG = NoseConfig(
    ("CO", "VOC"),
    ("clove", "mint", "garlic"),
    (1.0, 1.0),
    levels=(800.0, 40.0, 700.0, 90.0, 600.0, 200.0),
    level_spread=(0.02, 0.1),
    session_gain=(0.1, 0.5),
    session_offset=(10.0, 3.0),
)
USUAL = np.array(CONFIG.levels).reshape(3, 2)


def smell(name, counts, channels=("CO", "VOC"), version="m@1"):
    rows = np.atleast_2d(np.array(counts, np.float32))
    return Enrolled(name, np.eye(len(rows), 4, dtype=np.float32), version, channels, counts=rows)


def test_many_known_recordings_show_gain_and_offset():
    usual = np.repeat(USUAL, 20, axis=0)
    noise = np.exp(np.random.default_rng(0).normal(size=usual.shape) * CONFIG.level_spread)
    shift = shift_of(usual, usual * noise * np.exp([0.1, -0.6]) + [0.0, 4.0], CONFIG)
    assert shift.gain == pytest.approx([0.1, -0.6], abs=0.06) and shift.recordings == 60
    undone = shift.undo(recording(usual * np.exp([0.1, -0.6]) + [0.0, 4.0]))
    assert np.log(undone.values / usual) == pytest.approx(np.zeros_like(usual), abs=0.1)


def test_one_recording_shows_less_than_it_seems_to():
    shift = shift_of(USUAL[:1], USUAL[:1] * np.exp(0.4), CONFIG)
    assert 0 < shift.gain[0] < 0.4 and 0 < shift.gain[1] < 0.4


def test_one_wrong_name_among_many_does_not_decide():
    heard = np.repeat(USUAL, 4, axis=0)
    spoilt = heard.copy()
    spoilt[0] *= 20
    right, wrong = (shift_of(np.repeat(USUAL, 4, axis=0), each, CONFIG) for each in (heard, spoilt))
    assert wrong.gain == pytest.approx(right.gain, abs=0.1)


@pytest.mark.parametrize("counts", [0.0, 1e9])
def test_counts_at_the_ends_of_a_scale_give_finite_numbers(counts):
    shift = shift_of(USUAL[:1], np.full((1, 2), counts), CONFIG)
    assert np.isfinite([shift.gain, shift.offset]).all()


def test_counts_below_0_are_taught_as_0():
    values = np.full((60, 2), [-5.0, 40.0], np.float32)
    assert enrol(PlainNose(), "mint", [recording(values)]).counts.tolist() == [[0, 40]]


def test_only_names_that_the_model_knows_show_the_session():
    assert session_of([smell("coffee", [800, 40])], CONFIG) is None
    assert session_of([Enrolled("mint", np.eye(1, dtype=np.float32), "m@1", ("CO",))], CONFIG) is None
    assert session_of([smell("mint", [700, 90])], NoseConfig(("CO", "VOC"), ("mint",))) is None
    found = session_of([smell("coffee", [1, 1]), smell("mint", [[700, 90], [710, 91]])], CONFIG)
    assert found.recordings == 2 and found.gain == pytest.approx([0, 0], abs=0.02)


def test_a_channel_that_the_board_lacks_stays_as_it_is():
    found = session_of([smell("mint", [[95.0]], ("voc",))], CONFIG)
    assert found.gain[0] == found.offset[0] == 0 and found.gain[1] > 0
    other = Recording((channel("mq3"),), np.arange(3.0), np.ones((3, 1), np.float32))
    assert found.undo(other).values.tolist() == other.values.tolist()


def test_undoing_keeps_what_is_no_number():
    values = np.array([[800.0, np.nan], [np.nan, 40.0]], np.float32)
    undone = shift_of(USUAL, USUAL * 1.2, CONFIG).undo(recording(values))
    assert np.isnan(undone.values).tolist() == np.isnan(values).tolist()


def test_the_shipped_model_hears_a_shifted_board_as_usual_once_it_was_taught():
    """Made-up frames about the usual levels, through gains that the model did not learn."""
    nose = NosePredictor.from_pretrained()
    config = nose.config
    usual = np.array(config.levels).reshape(len(config.smells), -1)
    gains = np.exp(np.array([0.2, -0.15, 0.2, 0.03, -0.9, 0.9]))

    def made(row, gain, seed):
        noise = np.exp(0.01 * np.random.default_rng(seed).standard_normal((200, usual.shape[1])))
        return Recording(
            tuple(map(channel, config.channels)), np.arange(200.0), (row * noise * gain).astype(np.float32)
        )

    def said(model, gain):
        return np.array([model.read(made(row, gain, i)).logits.mean(0) for i, row in enumerate(usual)])

    # What is taught was recorded at another time.
    taught = [
        enrol(nose, config.smells[i], [made(usual[i], gains, 100 + i)]) for i in range(0, len(usual), 5)
    ]
    base = Namer(nose, lambda: Evidence(config), config, taught, "both").base
    as_usual, shifted, undone = said(nose, 1.0), said(nose, gains), said(base, gains)
    assert np.abs(undone - as_usual).mean() < np.abs(shifted - as_usual).mean() / 2
    # The map on which smells are taught stays as it was heard.
    one = made(usual[3], gains, 3)
    assert np.array_equal(base.read(one).embeddings, nose.read(one).embeddings)
    usually = nose.read(base.shift.undo(one))
    assert np.array_equal(base.read(one).agreement, usually.agreement)
    assert np.isfinite(usually.agreement).all()
    for smells in ("own", "base", "auto"):
        assert Namer(nose, lambda: Evidence(config), config, taught, smells).base is nose


def test_counts_are_kept_in_the_bytes_and_old_bytes_have_none():
    taught = smell("mint", [[700, 90], [710, 91]])
    assert from_bytes(to_bytes(taught)).counts.tolist() == [[700, 90], [710, 91]]
    assert from_bytes(to_bytes(replace(taught, counts=None))).counts is None
    more = replace(smell("mint", [[95.0, 720.0]], ("VOC", "CO")), prototypes=-taught.prototypes[:1])
    both = taught.with_more(more)
    assert both.channels == ("CO", "VOC") and both.counts[2].tolist() == [720, 95]
    with pytest.raises(RecordingError, match="taught from before"):
        both.with_more(more)
    with pytest.raises(ValueError, match=r"counts of shape \(1, 2\), expected \(2, 2\)"):
        replace(taught, counts=np.ones((1, 2), np.float32))
    for counts in ([[-1.0, 1], [1, 1]], [[np.nan, 1], [1, 1]]):
        with pytest.raises(ValueError, match="no numbers or below 0"):
            replace(taught, counts=np.array(counts, np.float32))
    long = to_bytes(replace(taught, sensor_id="x" * 100)).replace(b'"' + b"x" * 100, b'"' + b"x" * 101)
    with pytest.raises(ValueError, match=r"smells\.json: got the sensor id 'x+'"):
        from_bytes(long, "smells.json")
    broken = to_bytes(taught).replace(b'"channels":["CO","VOC"]', b'"channels":["CO"]')
    with pytest.raises(ValueError, match="16 bytes of counts, expected 2 rows of 1"):
        from_bytes(broken)


def recording(values):
    return Recording(
        tuple(map(channel, CONFIG.channels)),
        np.arange(float(len(values))),
        np.asarray(values, np.float32),
    )
