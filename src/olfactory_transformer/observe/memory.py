"""How much memory processes hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path

_PROC = Path("/proc")


def resident_bytes(others: Collection[int] = ()) -> int:
    """Return the resident memory of this process and of others, in bytes.

    Pages that they share count once for each. A process that has ended holds nothing. Without /proc (off Linux) it
    is the most that this process ever held, as the system tells nothing better there, and the others are left out.

    >>> resident_bytes() > 1_000_000
    True
    """
    if not (_PROC / "self" / "statm").exists():
        return _peak()
    return sum(_resident(pid) for pid in {os.getpid(), *others})


def _resident(pid: int) -> int:
    try:
        pages = int((_PROC / str(pid) / "statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
