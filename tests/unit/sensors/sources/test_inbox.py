"""Messages that are put in by one thread and taken out by another: none is lost without being counted."""

from __future__ import annotations

import threading

from olfactory_transformer.sensors.sources.inbox import Inbox


def test_the_oldest_messages_go_and_news_stay_in_their_order():
    inbox = Inbox[int, str](2)
    inbox.put(1)
    inbox.tell("away")
    inbox.put(2)
    inbox.put(3)
    inbox.tell("back")
    assert inbox.dropped() == 1
    assert [inbox.take(0) for _ in range(5)] == [
        (None, "away"),
        (2, None),
        (3, None),
        (None, "back"),
        (None, None),
    ]


def test_a_reader_that_waits_is_woken():
    inbox = Inbox[int, str](2)
    threading.Timer(0.05, inbox.put, [7]).start()
    assert inbox.take(60) == (7, None)


def test_two_threads_lose_nothing():
    inbox = Inbox[int, str](50)
    threading.Thread(target=lambda: [inbox.put(at) for at in range(20_000)] and inbox.tell("end")).start()
    found, dropped = [], 0
    while True:
        message, news = inbox.take(60)
        dropped += inbox.dropped()
        if news:
            break
        found.append(message)
    assert found == sorted(found) and len(found) + dropped == 20_000
