"""Watches servers from outside, as the deployment guide's HealthMonitor does.

Each round asks every server for `/health` and `/ready` at once, within a time limit. An alert is given when a server
has failed several rounds in a row, and once more when it is well again; not for every check.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2

from olfactory_transformer.core.errors import shown

logger = logging.getLogger(__name__)

HEALTHY = "healthy"
_PATHS = ("/health", "/ready")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Alert:
    """That a server fails, or is well again.

    Parameters
    ----------
    endpoint : str
    healthy : bool
        False when it has failed as often as it may, True when it is well again.
    health : dict
        The check that tipped the scales, as from `HealthMonitor.check_health`.
    failures : int
        Checks in a row that had failed by then.
    """

    endpoint: str
    healthy: bool
    health: dict[str, Any]
    failures: int

    @property
    def text(self) -> str:
        """What happened, in a line.

        >>> Alert("http://a", False, {"status": "unhealthy", "path": "/ready", "status_code": 503}, 3).text
        'http://a is not healthy (3 checks): /ready answered 503'
        """
        if self.healthy:
            return f"{self.endpoint} is healthy again, after {self.failures} failed checks"
        return f"{self.endpoint} is not healthy ({self.failures} checks): {reason(self.health)}"


AlertHook = Callable[[Alert], None]


def reason(health: dict[str, Any]) -> str:
    """Return in words why a check was not good; "" if it was.

    >>> reason({"status": "error", "error": "ConnectError"})
    'ConnectError'
    """
    if health["status"] == HEALTHY:
        return ""
    if health["status"] == "error":
        return str(health["error"])
    return f"{health['path']} answered {health['status_code']}"


class HealthMonitor:
    """Checks servers, once or for ever.

    Parameters
    ----------
    endpoints : sequence of str
        URLs of servers, without a path that is the server's own: http://olfactory-1:8000.
    check_interval : float
        Seconds from the start of a round to that of the next.
    timeout : float
        Seconds that a server has for both answers.
    failures : int
        Checks in a row that must fail before there is an alert.
    alerts : sequence of callables
        Called with an `Alert`, in turn; what one of them raises is logged.

    Raises
    ------
    ValueError
        An endpoint is no http or https URL, or a number is out of range.

    Examples
    --------
    >>> monitor = HealthMonitor(["http://127.0.0.1:1"], timeout=5)
    >>> monitor.check_health("http://127.0.0.1:1")["status"]
    'error'
    """

    def __init__(
        self,
        endpoints: Sequence[str],
        check_interval: float = 60,
        *,
        timeout: float = 10,
        failures: int = 3,
        alerts: Sequence[AlertHook] = (),
    ) -> None:
        self.endpoints = tuple(dict.fromkeys(map(checked_url, endpoints)))
        for name, value in (("check_interval", check_interval), ("timeout", timeout), ("failures", failures)):
            if not value > 0:
                raise ValueError(f"{name}: got {value}, expected more than 0")
        self.check_interval, self.timeout, self.failures = check_interval, timeout, failures
        self._alerts = tuple(alerts)
        self._failed = dict.fromkeys(self.endpoints, 0)  # checks in a row
        self._stopped = threading.Event()

    def check_health(self, endpoint: str) -> dict[str, Any]:
        """Check one server.

        Returns
        -------
        dict
            `endpoint`; `status`: healthy (both answers are 200), unhealthy, or error (there was no answer);
            `response_time`: seconds until the answer to `/health`, None for an error. Of one that is not an error,
            `status_code` and the `path` that it is of: the first answer that is not 200, else the last. Of an
            error, `error`.
        """
        return _run(self._check(checked_url(endpoint)))

    def check_all(self) -> list[dict[str, Any]]:
        """Check all servers at the same time, and give the alerts that follow; in the order of the endpoints."""
        found = _run(self._round())
        for health in found:
            self._judge(health)
        return found

    def monitor_continuously(self, seen: Callable[[list[dict[str, Any]]], None] | None = None) -> None:
        """Check until `stop` is called, from another thread or a signal handler.

        Parameters
        ----------
        seen : callable or None
            Given the checks of each round, after its alerts.
        """
        while not self._stopped.is_set():
            began = time.monotonic()
            found = self.check_all()
            if seen is not None:
                seen(found)
            self._stopped.wait(max(0.0, self.check_interval - (time.monotonic() - began)))

    def stop(self) -> None:
        """End `monitor_continuously` after the round that it is in."""
        self._stopped.set()

    async def _round(self) -> list[dict[str, Any]]:
        return await asyncio.gather(*map(self._check, self.endpoints))

    async def _check(self, endpoint: str) -> dict[str, Any]:
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self.timeout),  # of everything: a server may also drip its answer
                # A new connection each time, as a newcomer would make; no proxy is between us and what we watch.
                httpx2.AsyncClient(timeout=None, trust_env=False) as client,
            ):
                code, path, response_time = 0, "", 0.0
                for path in _PATHS:
                    async with client.stream("GET", endpoint + path) as response:  # the body tells nothing
                        code = response.status_code
                    response_time = response_time or time.monotonic() - began
                    if code != 200:
                        break
        except TimeoutError:
            return _error(endpoint, f"no answer within {self.timeout:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return _error(endpoint, f"{type(error).__name__}: {error}".rstrip(": "))
        return {
            "endpoint": endpoint,
            "status": HEALTHY if code == 200 else "unhealthy",
            "response_time": response_time,
            "status_code": code,
            "path": path,
        }

    def _judge(self, health: dict[str, Any]) -> None:
        endpoint = health["endpoint"]
        before = self._failed[endpoint]
        if health["status"] == HEALTHY:
            logger.info("health check passed: %s", endpoint)
            self._failed[endpoint] = 0
            if before >= self.failures:
                self._alert(Alert(endpoint, True, health, before))
        else:
            logger.error("health check failed: %s: %s", endpoint, reason(health))
            self._failed[endpoint] = before + 1
            if before + 1 == self.failures:
                self._alert(Alert(endpoint, False, health, before + 1))

    def _alert(self, alert: Alert) -> None:
        for hook in self._alerts:
            try:
                hook(alert)
            except Exception:  # whoever is told, the watch goes on
                logger.exception("an alert could not be given")


def checked_url(url: str, what: str = "endpoint") -> str:
    """Return an http or https URL without the slash at its end; ValueError, naming `what`, if it is none.

    >>> checked_url("http://host:8000/")
    'http://host:8000'
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"{what}: got {shown(url)}, expected a URL such as http://host:8000")
    return url.rstrip("/")


def _error(endpoint: str, text: str) -> dict[str, Any]:
    return {"endpoint": endpoint, "status": "error", "response_time": None, "error": text}


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end, also inside a running event loop (a notebook has one)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
