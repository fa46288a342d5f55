"""The model in a process of its own: `python -m olfactory_transformer.engine.worker FD OPTIONS`.

It holds what can crash, hang or run out of memory (RDKit on text from anywhere, and the network), so that the
server can kill it and go on. It is one thread that answers one request after the other; it ends when the server
closes the socket, and with the server if that is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import msgspec

from olfactory_transformer.core.errors import MoleculeError, OlfactoryError, TooManyAtoms
from olfactory_transformer.engine import frames
from olfactory_transformer.inference import draw
from olfactory_transformer.inference.explain import Explanation, explain
from olfactory_transformer.inference.predictor import ScentPredictor
from olfactory_transformer.molecules import Molecule, read_molecule
from olfactory_transformer.utils.codec import encode_prediction
from olfactory_transformer.utils.stored import as_stored

_PR_SET_PDEATHSIG = 1
_MIB = 2**20
# An explanation takes a prediction for each atom: at 60 a third of a second of one processor, at 200 ten times that.
_EXPLAINED_ATOMS = 60


class WorkerOptions(msgspec.Struct, frozen=True):
    """What a process is started with.

    Parameters
    ----------
    model : str
        Folder.
    tokenizer : str or None
        Another folder to take the tokenizer from.
    threads : int
        Of ONNX Runtime.
    device : str
        cpu, cuda or auto.
    memory_mb : int or None
        MiB of data that the process may have.
    """

    model: str
    tokenizer: str | None = None
    threads: int = 1
    device: str = "cpu"
    memory_mb: int | None = None


class Worker:
    """Answers requests with a predictor."""

    def __init__(self, predictor: ScentPredictor, connection: socket.socket) -> None:
        self._predictor, self._connection = predictor, connection

    def run(self) -> None:
        """Answer until the server closes the socket."""
        while (request := frames.receive(self._connection)) is not None:
            try:
                answer = self._answer(request)
            except OlfactoryError as error:
                answer = frames.refused(error)
            except Exception as error:  # whatever it is, the server decides what becomes of this process
                answer = frames.Failed(type(error).__qualname__, _places(error), str(error)[:200])
            if answer is None:
                return
            self._connection.sendall(frames.pack(answer))

    def _answer(self, request: frames.Request) -> frames.Answer | None:
        match request:
            case frames.Predict():
                return self._predict(request)
            case frames.Draw():
                return frames.Picture(self._draw(request))
            case frames.Ping():
                return frames.Pong()
            case _:
                raise TypeError(f"got {type(request).__name__} outside a prediction")

    def _predict(self, request: frames.Predict) -> frames.Done | None:
        read = [self._read(frames.as_text(text)) for text in request.texts]
        items = [
            frames.read_error(found)
            if isinstance(found, MoleculeError)
            else frames.ReadMolecule(found.key, tuple(warning.message for warning in found.warnings))
            for found in read
        ]
        wanted = [i for i, found in enumerate(read) if isinstance(found, Molecule)]
        if request.ask and wanted:
            self._connection.sendall(frames.pack(frames.Read(items)))
            go = frames.receive(self._connection)
            if go is None:
                return None
            if not isinstance(go, frames.Go):
                raise TypeError(f"got {type(go).__name__}, expected Go")
            wanted = go.wanted
        molecules = [found for i in wanted if isinstance(found := read[i], Molecule)]
        return frames.Done(self._stored(molecules, [request.dilutions[i] for i in wanted]), items)

    def _stored(self, molecules: Sequence[Molecule], dilutions: Sequence[float]) -> list[bytes]:
        """Predict, and return what is true of the molecules however they were spelt."""
        found = self._predictor.predict_molecules(molecules, dilutions) if molecules else []
        return [
            encode_prediction(as_stored(prediction, molecule.warnings))
            for molecule, prediction in zip(molecules, found, strict=True)
        ]

    def _read(self, text: str) -> Molecule | MoleculeError:
        try:
            return read_molecule(text, self._predictor.limits)
        except MoleculeError as error:
            return error

    def _draw(self, request: frames.Draw) -> bytes:
        text = frames.as_text(request.text)
        molecule = read_molecule(text, self._predictor.limits)
        picture: Explanation | draw.Plain = draw.Plain(molecule.smiles)
        if request.word is not None:
            if molecule.heavy_atoms > _EXPLAINED_ATOMS:
                expected = f"at most {_EXPLAINED_ATOMS} for a picture with a word"
                raise TooManyAtoms(f"{molecule.heavy_atoms} heavy atoms", expected)
            picture = explain(self._predictor, molecule, request.word)
        return draw.png(picture) if request.form == "png" else draw.svg(picture).encode()


def _places(error: BaseException) -> str:
    return "".join(traceback.format_tb(error.__traceback__))


def _end_with_server() -> None:
    """Ignore what is meant for the server, which has the last word; end when it is killed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was killed in between
            sys.exit(1)


def _limit_memory(mib: int | None) -> None:
    if mib is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (mib * _MIB, mib * _MIB))


def main(arguments: Sequence[str]) -> int:
    """Load the model, say so, and answer; `arguments` are the socket's file descriptor and `WorkerOptions`."""
    _end_with_server()
    faulthandler.enable()
    options = msgspec.json.decode(arguments[1], type=WorkerOptions)
    with socket.socket(fileno=int(arguments[0])) as connection:
        answer: frames.Answer
        predictor: Any = None
        try:
            _limit_memory(options.memory_mb)
            predictor = ScentPredictor.from_pretrained(
                options.model, tokenizer=options.tokenizer, threads=options.threads, device=options.device
            )
            answer = frames.Loaded(predictor.model_hash)
        except OlfactoryError as error:
            answer = frames.refused(error)
        except Exception as error:  # such as no memory for the weights
            answer = frames.Failed(type(error).__qualname__, _places(error), str(error)[:200])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the server has gone
            connection.sendall(frames.pack(answer))
            if predictor is None:
                return 1
            gc.freeze()  # the model and the libraries stay: no collection need look at them
            Worker(predictor, connection).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
