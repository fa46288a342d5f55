"""The environment that processes of our own are started with."""

from __future__ import annotations

import os


def inherited(**more: str) -> dict[str, str]:
    """Return this process's environment with some variables more.

    >>> inherited(OMP_NUM_THREADS="1")["OMP_NUM_THREADS"]
    '1'
    """
    return {**os.environ, **more}
