"""Whom to tell that a server fails: a web hook, a command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import httpx2

from olfactory_transformer.observe.monitor import Alert, AlertHook, checked_url

_SECONDS = 30


def as_json(alert: Alert) -> str:
    """Return what both are given; `text` is what chat services show.

    >>> as_json(Alert("http://a", True, {"status": "healthy"}, 3))
    '{"text": "http://a is healthy again, ...", "endpoint": "http://a", "healthy": true, "failures": 3, "health": ...}'
    """
    return json.dumps(
        {
            "text": alert.text,
            "endpoint": alert.endpoint,
            "healthy": alert.healthy,
            "failures": alert.failures,
            "health": alert.health,
        }
    )


def webhook(url: str) -> AlertHook:
    """Return a hook that posts an alert as JSON; it raises unless the answer is a 2xx within 30 seconds.

    ValueError at once if the URL is none.
    """
    checked_url(url, "webhook")

    def post(alert: Alert) -> None:
        with httpx2.Client(timeout=_SECONDS) as client:
            headers = {"Content-Type": "application/json"}
            answer = client.post(url, content=as_json(alert), headers=headers)
            if not answer.is_success:
                # Not raise_for_status: its message has the URL, which is a secret with many services.
                raise OSError(f"the web hook answered {answer.status_code}")

    return post


def command(words: Sequence[str]) -> AlertHook:
    """Return a hook that runs a command, no shell between, with the alert as JSON on its standard input.

    It raises unless the command ends well within 30 seconds.
    """

    def run(alert: Alert) -> None:
        subprocess.run(
            words, input=as_json(alert), text=True, check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL
        )

    return run
