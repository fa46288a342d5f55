"""The tree of errors drawn in the docstring is the tree there is."""

from __future__ import annotations

import re

from olfactory_transformer.core import errors
from olfactory_transformer.core.errors import shown


def drawn() -> dict[str, str]:
    """Return each error of the drawing with the one it hangs from."""
    found, path = {}, {}
    for line in (errors.__doc__ or "").splitlines():
        if name := re.match(r"\s*((?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+)", line):
            depth = len(re.findall(r"[│├└]|(?<= {4}) {4}", line.split(name[2])[0]))
            path[depth] = name[2]
            if depth:
                found[name[2]] = path[depth - 1]
    return found


def test_the_drawing_is_true():
    kinds = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, errors.OlfactoryError)
        and kind is not errors.OlfactoryError
    }
    tree = drawn()
    assert tree.keys() == kinds.keys()
    for name, kind in kinds.items():
        assert kind.__bases__[0].__name__ == tree[name], name
        assert kind.__doc__


def test_shown_is_short_printable_ascii():
    assert shown("a\x00\ud800\u202eü\n", 20).isascii() and shown("a\x00\n").isprintable()
    assert len(shown("x" * 10_000)) < 70
    assert shown(3) == "int"
