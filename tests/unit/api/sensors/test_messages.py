import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.api.sensors.listening import MOST_CHANNELS
from olfactory_transformer.api.sensors.messages import (
    MOST_IN_MESSAGE,
    End,
    FrameIn,
    Frames,
    Restart,
    Start,
    read_message,
    values_of,
)

FRAME = '{"sequence": 1, "time": 2.5, "values": {"CO": 1, "VOC": null}}'


def frames(*texts):
    return f'{{"type": "frames", "frames": [{", ".join(texts)}]}}'


def of_channels(count):
    values = ", ".join(f'"c{n}": 1' for n in range(count))
    return f'{{"sequence": 1, "time": 0, "values": {{{values}}}}}'


def test_messages():
    assert read_message('{"type": "start"}') == Start()
    assert read_message('{"type": "start", "session": "abc", "sensor": "bench-1"}') == Start("abc", "bench-1")
    assert read_message('{"type": "restart"}') == Restart()
    assert read_message('{"type": "end"}') == End()
    found = read_message(frames(FRAME))
    assert found == Frames([FrameIn(1, 2.5, {"CO": 1.0, "VOC": None})])
    values = values_of(found.frames[0])
    assert values["CO"] == 1 and math.isnan(values["VOC"])


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (None, "invalid-request", "binary"),
        (b'{"type": "end"}', "invalid-request", "binary"),
        ("", "invalid-json", ""),
        ("[" * 100_000, "invalid-request", "object"),
        ("{", "invalid-json", ""),
        ('"\ud800"', "invalid-json", ""),
        ("[]", "invalid-request", "object"),
        ("{}", "invalid-request", "type"),
        ('{"type": "hello"}', "invalid-request", "hello"),
        ('{"type": "end", "more": 1}', "invalid-request", "more"),
        ('{"type": "start", "session": 1}', "invalid-request", "$.session"),
        ('{"type": "start", "sensor": "two words"}', "invalid-request", "$.sensor"),
        ('{"type": "start", "sensor": "b\\n"}', "invalid-request", "$.sensor"),
        ('{"type": "start", "session": "%s"}' % ("x" * 101), "invalid-request", "$.session"),
        (frames(), "invalid-request", "$.frames"),
        (frames(*[FRAME] * (MOST_IN_MESSAGE + 1)), "invalid-request", "$.frames"),
        (frames(FRAME.replace("2.5", '"now"')), "invalid-request", "$.frames[0].time"),
        (frames(FRAME.replace("2.5", "1e16")), "invalid-request", "$.frames[0].time"),
        (frames(FRAME.replace("2.5", "NaN")), "invalid-json", ""),
        (frames(FRAME.replace("2.5", "1e999")), "invalid-request", "$.frames[0].time"),
        (frames(FRAME.replace('"sequence": 1', '"sequence": -1')), "invalid-request", "sequence"),
        (frames(FRAME.replace('"sequence": 1', '"sequence": 1.5')), "invalid-request", "sequence"),
        (frames(FRAME.replace("null", "true")), "invalid-request", "values"),
        (frames(FRAME.replace('"CO"', '""')), "invalid-request", "values"),
        (frames('{"sequence": 1, "time": 0, "values": {}}'), "invalid-request", "values"),
        (frames(of_channels(MOST_CHANNELS + 1)), "invalid-request", "values"),
    ],
)
def test_what_is_wrong_is_told(text, code, place):
    with pytest.raises(ApiError) as caught:
        read_message(text)
    assert caught.value.kind.code == code and place in caught.value.detail
    assert len(caught.value.detail) <= 200 and caught.value.detail.isprintable()


def test_as_many_channels_as_may_be():
    text = frames(of_channels(MOST_CHANNELS))
    assert len(read_message(text).frames[0].values) == MOST_CHANNELS


@given(st.text() | st.binary() | st.recursive(st.none() | st.text(), lambda x: st.lists(x)).map(str))
def test_any_text_is_a_message_or_a_problem(text):
    try:
        read_message(text)
    except ApiError as error:
        assert error.kind.code in ("invalid-json", "invalid-request")
