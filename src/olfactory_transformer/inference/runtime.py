"""Running the network with ONNX Runtime, in batches of similar length."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from olfactory_transformer.core.cpu import cpu_limit
from olfactory_transformer.core.errors import DeviceError, ModelCorrupt, ModelForeign
from olfactory_transformer.model.tokenizer import MoleculeTokens, collate

logger = logging.getLogger(__name__)
Floats = npt.NDArray[np.float32]
# Molecules are padded to these lengths: few shapes, so that the memory ONNX Runtime keeps for each stays small.
LENGTHS = (8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 200)
_INPUTS = ["atoms", "relations", "fingerprint", "hands", "log_dilution"]
_LARGEST_BATCH = 128
# A run costs what so many atoms more in it do: on one and on two processors between 32 and 64 are alike, and best.
_RUN_ATOMS = 48
_PAIRS = 400_000  # B x N x N; the attention bias takes 200 bytes a pair


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """The network's outputs for M molecules; see `model.transformer.Outputs` for units.

    Parameters
    ----------
    embedding : ndarray (M, E)
    words : ndarray (M, words)
        Logits.
    isomeric : ndarray (M, isomeric)
        Logits.
    ratings : ndarray (M, ratings)
    profile : ndarray (M, profile)
    atlas : ndarray (M, atlas)
    threshold, odorless : ndarray (M, 1)
    volatility : ndarray (M, 2)
    """

    embedding: Floats
    words: Floats
    isomeric: Floats
    ratings: Floats
    profile: Floats
    atlas: Floats
    threshold: Floats
    odorless: Floats
    volatility: Floats


_FIELDS = tuple(field.name for field in fields(RawOutputs))


def padded_length(atoms: int) -> int:
    """Return the length a molecule is padded to.

    >>> padded_length(13), padded_length(500)
    (16, 500)
    """
    return next((length for length in LENGTHS if length >= atoms), atoms)


def plan(lengths: Sequence[int]) -> list[list[int]]:
    """Group molecules into batches: similar length, bounded size.

    Few molecules go along with longer ones, where running the network once more costs more than the padding.

    >>> plan([3, 30, 5, 28]), plan([3, 9, 5])
    ([[0, 2], [1, 3]], [[0, 2, 1]])
    """
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        groups.setdefault(padded_length(length), []).append(index)
    batches = []
    members: list[int] = []
    ordered = sorted(groups)
    for length, longer in zip(ordered, [*ordered[1:], math.inf], strict=False):
        members = members + groups[length]
        if len(members) * (longer - length) < _RUN_ATOMS:
            continue
        size = max(1, min(_LARGEST_BATCH, _PAIRS // length**2))
        batches += [members[i : i + size] for i in range(0, len(members), size)]
        members = []
    return batches


def providers(device: str) -> list[str]:
    """Return the ways to run a graph, the preferred one first."""
    cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not cuda:
        raise DeviceError(
            "DEVICE: got 'cuda', but this ONNX Runtime has no CUDA; expected cpu or auto, or onnxruntime-gpu "
            "installed in place of onnxruntime"
        )
    return [*(["CUDAExecutionProvider"] if cuda and device != "cpu" else []), "CPUExecutionProvider"]


class OnnxRuntime:
    """The network of a model folder, run by ONNX Runtime.

    Parameters
    ----------
    path : Path
        The `model.onnx` of a verified folder.
    threads : int or None
        None: as many as affinity and the cgroup's quota allow.
    device : "cpu", "cuda" or "auto"
        "auto": a GPU if this ONNX Runtime can use one.

    Raises
    ------
    DeviceError
        This ONNX Runtime has no such device, or cannot use it.
    ModelCorrupt
        ONNX Runtime cannot read the file.
    ModelForeign
        The graph has other inputs or outputs.
    """

    def __init__(self, path: Path, threads: int | None = None, device: str = "cpu") -> None:
        chosen = providers(device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or cpu_limit()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Idle threads sleep at once instead of spinning: a server has other work for the processor.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=chosen)
        except Exception as error:  # its errors share no base class but Exception
            raise ModelCorrupt(f"{path}: ONNX Runtime cannot load it ({error})") from None
        # It goes on with the processor when a GPU's driver or libraries do not fit, and says so in its log alone.
        if chosen[0] not in self._session.get_providers():
            if device == "cuda":
                raise DeviceError(
                    "DEVICE: got 'cuda', but ONNX Runtime cannot use the GPU; expected cpu or auto, or a driver and "
                    "libraries of CUDA and cuDNN that fit onnxruntime-gpu"
                )
            logger.warning("ONNX Runtime cannot use the GPU (driver, CUDA or cuDNN); the processor predicts")
        inputs = [value.name for value in self._session.get_inputs()]
        self._outputs = [value.name.removeprefix("out_") for value in self._session.get_outputs()]
        if inputs != _INPUTS or set(self._outputs) != set(_FIELDS):
            found = ", ".join([*inputs, *self._outputs])[:200]
            raise ModelForeign(f"{path}: a graph of {found}; expected one by save_pretrained")

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of each of the outputs, in the order of `RawOutputs`."""
        outputs = zip(self._outputs, self._session.get_outputs(), strict=True)
        width = {name: output.shape[1] for name, output in outputs}
        return tuple(width[name] for name in _FIELDS)

    def run(self, tokens: Sequence[MoleculeTokens], log_dilutions: Floats) -> RawOutputs:
        """Predict M molecules, each at a dilution.

        Parameters
        ----------
        tokens : sequence of MoleculeTokens, M of them
        log_dilutions : ndarray of float32, (M,)
            log10 of the volume fraction.
        """
        parts: list[list[Floats]] = []
        order: list[int] = []
        for members in plan([len(t) for t in tokens]):
            length = padded_length(max(len(tokens[i]) for i in members))
            batch = collate([tokens[i] for i in members], length)
            inputs = {
                "atoms": batch.atoms,
                "relations": batch.relations,
                "fingerprint": batch.fingerprint,
                "hands": batch.hands,
                "log_dilution": log_dilutions[members].astype(np.float32),
            }
            parts.append(self._session.run(None, inputs))
            order += members
        found = {
            name: np.zeros((len(tokens), width), np.float32)
            for name, width in zip(_FIELDS, self.widths, strict=True)
        }
        for name, output in zip(self._outputs, zip(*parts, strict=True), strict=bool(parts)):
            found[name][order] = np.concatenate(output)
        return RawOutputs(**found)
