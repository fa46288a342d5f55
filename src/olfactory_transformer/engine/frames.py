"""What the server and a process of the engine say to each other: MessagePack frames over a socket pair.

    server                              process
                      ◀──  Loaded | Refused     once, after the start
    Predict(ask=True) ──▶                       read the molecules
                      ◀──  Read                 their canonical keys
    Go                ──▶                       predict those that no cache knows
                      ◀──  Done
    Predict(ask=False)──▶  ◀── Done
    Draw              ──▶  ◀── Picture | Refused
    Ping              ──▶  ◀── Pong

Instead of an answer there may be Failed: an exception that nobody expected. A frame is its length (4 bytes, big
endian) and its MessagePack.
"""

from __future__ import annotations

import socket
import struct

import msgspec

from olfactory_transformer.core.errors import (
    CannotDraw,
    EngineFault,
    ModelError,
    MoleculeError,
    OlfactoryError,
    UnknownWord,
)

HEAD = struct.Struct(">I")
LARGEST = 2**28


class Predict(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Predict `texts` (UTF-8, lone surrogates passed) at `dilutions`; `ask`: say Read first, and wait for Go."""

    texts: list[bytes]
    dilutions: list[float]
    ask: bool


class ReadMolecule(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """A molecule that was read: its canonical key, and what was changed in its spelling."""

    key: str
    spelling: tuple[str, ...]


class ReadError(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Why a text is not a molecule; the arguments of the MoleculeError of this code."""

    code: str
    got: str
    expected: str
    position: int | None


class Read(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """One a text of Predict."""

    items: list[ReadMolecule | ReadError]


class Go(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Predict these of the batch, by their index."""

    wanted: list[int]


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Predictions as they are stored (`utils.codec`), in the order of `wanted`; items only without `ask`."""

    predictions: list[bytes]
    items: list[ReadMolecule | ReadError]


class Draw(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Draw a molecule."""

    text: bytes
    form: str
    word: str | None


class Picture(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """What was drawn."""

    data: bytes


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Are you there?"""


class Pong(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """Yes."""


class Loaded(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """The model is loaded."""

    hash: str


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """An error that was meant: a class of `core.errors` by name, and its message."""

    kind: str
    message: str
    molecule: ReadError | None = None


class Failed(msgspec.Struct, frozen=True, tag=True, array_like=True):
    """An exception that was not meant: where it was raised, without its text, which may name a molecule."""

    kind: str
    where: str
    message: str


Request = Predict | Go | Draw | Ping
Answer = Read | Done | Picture | Pong | Loaded | Refused | Failed

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_MOLECULE_ERRORS: dict[str, type[MoleculeError]] = {}


def pack(frame: Request | Answer) -> bytes:
    """Return a frame with its length.

    >>> unpack_answer(pack(Pong())[HEAD.size :])
    Pong()
    """
    body = _encoder.encode(frame)
    return HEAD.pack(len(body)) + body


def unpack_answer(body: bytes) -> Answer:
    """Return the answer in the body of a frame; msgspec.MsgspecError if it is none."""
    return _answers.decode(body)


def as_bytes(text: str) -> bytes:
    """Return any str as bytes, also one with lone surrogates, which MessagePack has no text for."""
    return text.encode("utf-8", "surrogatepass")


def as_text(data: bytes) -> str:
    """Undo `as_bytes`."""
    return data.decode("utf-8", "surrogatepass")


def receive(connection: socket.socket) -> Request | None:
    """Read one request, waiting for it; None when the other side has gone."""
    head = _exactly(connection, HEAD.size)
    if head is None:
        return None
    body = _exactly(connection, HEAD.unpack(head)[0])
    return None if body is None else _requests.decode(body)


def _exactly(connection: socket.socket, count: int) -> bytes | None:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


def read_error(error: MoleculeError) -> ReadError:
    """Return a molecule's error for sending."""
    return ReadError(error.code, error.got, error.expected, error.position)


def molecule_error(sent: ReadError) -> MoleculeError:
    """Return the error that was sent.

    >>> from olfactory_transformer.core.errors import EmptyMolecule
    >>> molecule_error(read_error(EmptyMolecule("nothing", "something")))
    EmptyMolecule('nothing; expected something')
    """
    if not _MOLECULE_ERRORS:
        _MOLECULE_ERRORS.update({kind.code: kind for kind in _kinds(MoleculeError)})
    return _MOLECULE_ERRORS.get(sent.code, MoleculeError)(sent.got, sent.expected, sent.position)


def _kinds(of: type[MoleculeError]) -> list[type[MoleculeError]]:
    return [of, *(kind for child in of.__subclasses__() for kind in _kinds(child))]


def refused(error: OlfactoryError) -> Refused:
    """Return an error that was meant, for sending."""
    sent = read_error(error) if isinstance(error, MoleculeError) else None
    return Refused(type(error).__name__, str(error), sent)


def meant(sent: Refused) -> OlfactoryError:
    """Return the error that was sent.

    >>> meant(refused(UnknownWord("no word 'x'")))
    UnknownWord("no word 'x'")
    """
    if sent.molecule is not None:
        return molecule_error(sent.molecule)
    plain: list[type[OlfactoryError]] = [ModelError, *ModelError.__subclasses__(), UnknownWord, CannotDraw]
    kind = next((kind for kind in plain if kind.__name__ == sent.kind), EngineFault)
    return kind(sent.message)
