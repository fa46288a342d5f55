"""Work that is shared out to a process a core."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

from olfactory_transformer.core.cpu import cpu_limit

T = TypeVar("T")
R = TypeVar("R")


def in_processes(work: Callable[[T], R], items: Sequence[T], at_once: int = 1) -> Iterator[R]:
    """Yield `work` of each item, in their order.

    Parameters
    ----------
    work : callable
        A function of a module, so that another process finds it.
    items : sequence
    at_once : int
        How many a process is given at a time. No more than that are done in this one, sooner than another would start.

    >>> list(in_processes(abs, [-2, 3], at_once=10))
    [2, 3]
    """
    if len(items) <= at_once:
        yield from map(work, items)
        return
    # Not forked: a child has the locks that threads (torch's, ONNX Runtime's) held, but not the threads, and may hang.
    with ProcessPoolExecutor(cpu_limit(), mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, items, chunksize=at_once)
