import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.api.lines import TOO_LONG, Lines


def read(pieces, limit=10, most=3):
    lines, found = Lines(limit), []
    for piece in pieces:
        lines.feed(piece)
        while got := lines.take(most):
            assert len(got) <= most
            found += got
    lines.end()
    while got := lines.take(most):
        found += got
    return found


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([], []),
        ([b""], []),
        ([b"\n\n \r\n"], []),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a", b"b", b"\n", b"c"], [b"ab", b"c"]),
        ([b"0123456789\n"], [b"0123456789"]),
        ([b"01234567890\n", b"a\n"], [TOO_LONG, b"a"]),
        ([b"0123456", b"78901", b"23", b"4\na"], [TOO_LONG, b"a"]),
        ([b"01234567890"], [TOO_LONG]),
        ([b"x" * 50, b"x" * 50], [TOO_LONG]),
        ([b"x" * 50 + b"\n" + b"y" * 50 + b"\nz"], [TOO_LONG, TOO_LONG, b"z"]),
    ],
)
def test_lines(pieces, found):
    assert read(pieces) == found


@given(st.lists(st.binary(max_size=30)), st.integers(1, 5))
def test_pieces_make_no_difference(pieces, most):
    body = b"".join(pieces)
    expected = [
        TOO_LONG if len(line) > 10 else line.strip()
        for line in body.split(b"\n")
        if len(line) > 10 or line.strip()
    ]
    assert read(pieces, most=most) == expected


def test_an_endless_line_is_not_kept():
    lines = Lines(100)
    for _ in range(1000):
        lines.feed(b"x" * 1000)
        lines.take(10)
    assert len(lines._pending) <= 1100
