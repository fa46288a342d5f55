"""The sockets that the server listens on."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct

from olfactory_transformer.core.errors import SettingsError

_BACKLOG = 2048
_SO_ATTACH_FILTER = 26  # of Linux
# Classic BPF over a TCP header: code, jump if true, jump if false, operand.
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x45, 0, 1, 0x02),  # is SYN among them?
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, 0xFFFF),  # let it pass
)


def bind(host: str, port: int, setting: str) -> socket.socket:
    """Return a socket with the address, which nobody can connect to yet.

    Parameters
    ----------
    host : str
    port : int
        0 is any free one.
    setting : str
        Name of the port's setting, for the message.

    Raises
    ------
    SettingsError
        The address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"HOST: got {host!r}, which has no address ({error})") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refused(host, port, setting, error) from None
    return bound


def listen(bound: socket.socket, host: str, port: int, setting: str) -> None:
    """Let others connect; SettingsError if another process was faster."""
    try:
        bound.listen(_BACKLOG)
    except OSError as error:
        raise _refused(host, port, setting, error) from None


def let_nobody_in(listener: socket.socket) -> None:
    """Have the kernel ignore who wants to connect, while those it has let in already wait to be accepted.

    Whoever waits when a listening socket is closed is cut off, and with it a request that it may have sent. Clients
    that are ignored try again by themselves a second later. Where a system has no such filter, nothing happens.
    """
    program = b"".join(struct.pack("=HBBI", *step) for step in _NO_SYN)
    buffer = ctypes.create_string_buffer(program)
    with contextlib.suppress(OSError):
        listener.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(_NO_SYN), ctypes.addressof(buffer))
        )


def url(bound: socket.socket) -> str:
    """Return the address as a URL.

    >>> with bind("127.0.0.1", 0, "PORT") as bound:
    ...     url(bound)
    'http://127.0.0.1:...'
    """
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refused(host: str, port: int, setting: str, error: OSError) -> SettingsError:
    reason = (error.strerror or "not possible").lower()
    return SettingsError(
        f"{setting}: got {port} on {host} ({reason}), expected a free port of an address of this machine"
    )
