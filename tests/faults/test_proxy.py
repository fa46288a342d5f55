"""The fault proxy does what the tests that use it take for granted."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from faults.proxy import FaultProxy, flipped, silent_port


@pytest.fixture
def proxy():
    """A proxy to a service that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def echo(connection):
            with connection:
                try:
                    while piece := connection.recv(65536):
                        connection.sendall(piece)
                except OSError:
                    pass

        def accept():
            try:
                while True:
                    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        with FaultProxy(*listener.getsockname()) as proxy:
            yield proxy


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def asked(client: socket.socket, text: bytes = b"hello, service") -> bytes:
    client.sendall(text)
    found = b""
    while len(found) < len(text) and (piece := client.recv(65536)):
        found += piece
    return found


def test_it_forwards(proxy):
    with connect(proxy) as one, connect(proxy) as two:
        assert asked(one) == asked(two) == b"hello, service"
        assert asked(one, bytes(1_000_000)) == bytes(1_000_000)
    assert proxy.connections == 2


def test_delay_and_drip(proxy):
    with connect(proxy) as client:
        for fault in ({"delay": 0.3}, {"drip": 0.03}):
            with proxy.fault(**fault):
                began = time.monotonic()
                assert asked(client) == b"hello, service" and time.monotonic() - began > 0.25


def test_stall_and_recovery(proxy):
    with connect(proxy) as old, proxy.fault(stall=True), connect(proxy) as new:
        for client in (old, new):
            client.settimeout(0.1)
            with pytest.raises(TimeoutError):
                asked(client)
            client.settimeout(10)
        proxy.heal()
        assert old.recv(100) == new.recv(100) == b"hello, service"


def test_reset(proxy):
    with connect(proxy) as client:
        asked(client)
        proxy.set(reset=True)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    # It may come before the client is connected.
    with pytest.raises(ConnectionResetError), connect(proxy) as client:
        client.recv(1)


def test_refuse_and_recovery(proxy):
    with connect(proxy) as client:
        asked(client)
        proxy.set(refuse=True)
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.heal()
    with connect(proxy) as client:
        assert asked(client) == b"hello, service"


def test_cut_and_alter(proxy):
    with proxy.fault(cut_after=5), connect(proxy) as client:
        assert asked(client) == b"hello"
    with proxy.fault(alter=flipped), connect(proxy) as client:
        assert asked(client) == b"helmo, serwice"


def test_nobody_behind_it():
    with silent_port() as port, FaultProxy("127.0.0.1", port) as proxy, connect(proxy) as client:
        client.settimeout(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_silence():
    with silent_port() as port, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", port), timeout=0.2)
