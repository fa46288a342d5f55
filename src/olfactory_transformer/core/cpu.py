"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path


def cpu_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the number of processors allowed by affinity and by the cgroup's CPU quota (v2, then v1).

    ONNX Runtime by itself starts a thread for every processor of the machine, and in a container limited to two
    of 64 spends its time being throttled.

    >>> cpu_limit() >= 1
    True
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(root)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def _quota(root: Path) -> float | None:
    """Return the quota in processors, or None for no limit."""
    try:
        limit, period = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(limit) / int(period) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None
