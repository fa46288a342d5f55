"""The numbers of docs/reference/routes.md are those of the code."""

from pathlib import Path

import pytest

from olfactory_transformer.api.sensors import conversation, listening, messages, nose, recordings, sessions
from olfactory_transformer.api.socket import MESSAGE_BYTES, PING_SECONDS

ROUTES = " ".join((Path(__file__).parents[4] / "docs/reference/routes.md").read_text("utf-8").split())


@pytest.mark.parametrize(
    "words",
    [
        f"1 to {listening.MOST_CHANNELS} names",
        f"at most {recordings.MOST_ROWS:,} rows",
        f"of their own, of {nose.MOST_WAITING} (503)",
        f"at most {MESSAGE_BYTES // 2**20} MiB",
        f"`frames`: 1 to {messages.MOST_IN_MESSAGE:,}, each",
        f"a gap of more than {listening.GAP_SECONDS:.0f} seconds",
        f"kept in memory for {sessions.KEPT_SECONDS / 60:.0f} minutes",
        f"no answer to a ping within {PING_SECONDS:.0f} seconds",
        f"{conversation.MOST_FAULTS} messages in a row that cannot be read",
        f"No further stream is taken: {sessions.MOST_OPEN} are open",
    ],
)
def test_numbers(words):
    assert words in ROUTES
