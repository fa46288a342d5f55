"""What came of a load: every request with when it was due, sent and done."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
OK = range(200, 300)
Array = npt.NDArray[np.float64]


class Records:
    """Grows by one a request; times in seconds of `time.monotonic()`, outcome a status or a reason in words."""

    def __init__(self) -> None:
        self.due, self.sent, self.done = array("d"), array("d"), array("d")
        self.outcome: list[int | str] = []
        self.kind: list[str] = []

    def add(self, kind: str, due: float, sent: float, done: float, outcome: int | str) -> None:
        """Note a request that has come to its end."""
        self.due.append(due)
        self.sent.append(sent)
        self.done.append(done)
        self.outcome.append(outcome)
        self.kind.append(kind)


@dataclass(frozen=True)
class Result:
    """All requests that were due in a span of time.

    Parameters
    ----------
    due, sent, done : ndarray (N,)
        Seconds since the span began; `sent` is NaN for a request that never was.
    outcome : tuple of int or str, N of them
        Status of the reply, or why there was none: timeout, refused, reset, closed, not HTTP.
    kind : tuple of str, N of them
    seconds : float
        Length of the span.
    offered : float or None
        Requests a second that were to be sent; None in a closed loop.
    busy : float
        Share of one processor that the generator itself took.
    all : int
        Requests of the whole load, those before and after the span among them.
    """

    due: Array
    sent: Array
    done: Array
    outcome: tuple[int | str, ...]
    kind: tuple[str, ...]
    seconds: float
    offered: float | None = None
    busy: float = 0.0
    all: int = 0

    @classmethod
    def of(
        cls, records: Records, began: float, ended: float, offered: float | None = None, busy: float = 0.0
    ) -> Result:
        """Take the requests that were due from `began` on; in a closed loop, that were done until `ended`."""
        due, sent, done = (np.frombuffer(a, np.float64) for a in (records.due, records.sent, records.done))
        kept = due >= began
        if offered is None:
            kept &= done <= ended
        places = np.flatnonzero(kept)
        return cls(
            due[kept] - began,
            sent[kept] - began,
            done[kept] - began,
            tuple(records.outcome[i] for i in places),
            tuple(records.kind[i] for i in places),
            ended - began,
            offered,
            busy,
            len(due),
        )

    @property
    def answered(self) -> npt.NDArray[np.bool_]:
        """Which were answered with 2xx."""
        return np.array([isinstance(o, int) and o in OK for o in self.outcome], bool)

    @property
    def rate(self) -> float:
        """Requests answered with 2xx a second."""
        return float(self.answered.sum()) / self.seconds

    @property
    def outcomes(self) -> Counter[str]:
        """How many there are of each status and of each reason for none."""
        return Counter(map(str, self.outcome))

    @property
    def failed(self) -> int:
        """How many were not answered with 2xx."""
        return len(self.outcome) - int(self.answered.sum())

    @property
    def latency(self) -> Array:
        """Seconds from when a request was due to the end of its reply, or to when it was given up for too late.

        Refusals are left out: they are quick, and would make an overload look fast.
        """
        waited = np.array([o == "timeout" for o in self.outcome], bool)
        latency: Array = (self.done - self.due)[self.answered | waited]
        return latency

    @property
    def waiting(self) -> float:
        """Mean number of requests that waited for a reply, by Little's law."""
        return len(self.latency) / self.seconds * float(self.latency.mean()) if len(self.latency) else 0.0

    @property
    def service(self) -> Array:
        """Seconds from when a request was sent to the end of its reply, which is all that a closed loop sees."""
        return (self.done - self.sent)[self.answered]

    @property
    def lateness(self) -> Array:
        """Seconds by which requests were sent after they were due: no connection was free, or the generator busy."""
        late = self.sent - self.due
        return late[np.isfinite(late)]

    def summary(self) -> dict[str, object]:
        """Return the figures as JSON takes them; times in milliseconds."""
        return {
            "offered": self.offered,
            "seconds": round(self.seconds, 3),
            "requests": len(self.outcome),
            "rate": round(self.rate, 2),
            "outcomes": dict(self.outcomes),
            "latency_ms": quantiles(self.latency),
            "service_ms": quantiles(self.service),
            "sent_late_ms": quantiles(self.lateness),
            "generator_busy": round(self.busy, 3),
        }


def quantiles(seconds: Array) -> dict[str, float | None]:
    """Return quantiles in milliseconds, exact: every value is kept.

    The smallest value that at least so many are not above, so that p99.9 of ten values is their largest.

    >>> quantiles(np.array([0.001, 0.002, 0.003, 0.004]))["p50"]
    2.0
    """
    if not len(seconds):
        return dict.fromkeys(QUANTILES)
    found = np.quantile(seconds, list(QUANTILES.values()), method="inverted_cdf") * 1e3
    return {name: round(float(value), 3) for name, value in zip(QUANTILES, found, strict=True)}


def merged(results: Sequence[Result]) -> Result:
    """Put rounds of the same load together."""
    return Result(
        np.concatenate([r.due for r in results]),
        np.concatenate([r.sent for r in results]),
        np.concatenate([r.done for r in results]),
        tuple(o for r in results for o in r.outcome),
        tuple(k for r in results for k in r.kind),
        sum(r.seconds for r in results),
        results[0].offered if results[0].offered is None else float(np.mean([r.offered for r in results])),
        float(np.mean([r.busy for r in results])),
        sum(r.all for r in results),
    )
