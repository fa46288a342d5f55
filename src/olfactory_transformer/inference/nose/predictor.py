"""The sensor transformer with ONNX Runtime: recordings in, readings of their windows out."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from olfactory_transformer.core.errors import ModelCorrupt, ModelForeign, RecordingError
from olfactory_transformer.core.nose import NoseConfig
from olfactory_transformer.inference.defaults import DEFAULT_NOSE
from olfactory_transformer.inference.nose.contract import NoseReadings
from olfactory_transformer.inference.nose.joined import join
from olfactory_transformer.inference.nose.reading import LEAST_CHANNELS, cut_windows, is_whole
from olfactory_transformer.model.folder import CONFIG, FOREST, NOSE, read_json, resolve, verify
from olfactory_transformer.model.forest import read_forest
from olfactory_transformer.sensors.channels import places_of
from olfactory_transformer.sensors.features import CHANNEL_FEATURES, PAIR_FEATURES, features_of
from olfactory_transformer.sensors.recording import Recording
from olfactory_transformer.sensors.windows import RATE


class NosePredictor:
    """Reads recordings; the contract is `NoseModel`.

    Parameters
    ----------
    folder : Path
        A model folder, whole.
    threads : int
        Of ONNX Runtime.

    Raises
    ------
    ModelNotFound, ModelForeign, ModelCorrupt
        See `model.folder`.

    Examples
    --------
    >>> nose = NosePredictor.from_pretrained("smellnet-base-v1")
    >>> len(nose.smells), nose.window_seconds
    (50, 100.0)
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        verify(folder, NOSE)
        self.config = NoseConfig.from_dict(read_json(folder / CONFIG), folder / CONFIG)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        try:
            self._session = ort.InferenceSession(
                folder / "model.onnx", options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime has many kinds, none of them public
            raise ModelCorrupt(f"{folder / 'model.onnx'}: not usable ({str(error)[:200]})") from None
        if [each.name for each in self._session.get_inputs()] != ["pairs", "channels", "present"]:
            raise ModelForeign(f"{folder / 'model.onnx'}: not the graph of an electronic nose's model")
        if (named := self._session.get_outputs()[0].shape[-1]) != len(self.config.smells):
            raise ModelForeign(
                f"{folder}: the graph names {named} smells and the config {len(self.config.smells)}"
            )
        self._floors = np.array(self.config.floors)
        numbers = len(self.config.pairs) * PAIR_FEATURES + len(self.config.channels) * CHANNEL_FEATURES
        there = (folder / FOREST).exists()
        self._forest = read_forest(folder / FOREST, numbers, len(self.config.smells)) if there else None
        self.smells = self.config.smells
        self.version = f"{self.config.name}@{self.config.version}"
        self.window_seconds, self.hop_seconds = self.config.window, self.config.hop

    @classmethod
    def from_pretrained(cls, model: str | Path = DEFAULT_NOSE, threads: int = 1) -> Self:
        """Load a bundled model by its name, or a folder.

        Raises
        ------
        ModelNotFound, ModelForeign, ModelCorrupt
            See `model.folder`.
        """
        return cls(resolve(model, NOSE), threads)

    def read(self, recording: Recording) -> NoseReadings:
        """Read each window; see `NoseModel.read`.

        Channels go by their names, in any case; those that the model does not know are not used. Neither are those of
        the room, ever.
        """
        by_name = places_of(recording.names)
        places = [by_name.get(name.lower()) for name in self.config.channels]
        used = [(slot, place) for slot, place in enumerate(places) if place is not None]
        if len(used) < LEAST_CHANNELS:
            got = ", ".join(recording.names)[:200] or "none"
            raise RecordingError(
                f"channels {got}", f"at least {LEAST_CHANNELS} of {', '.join(self.config.channels)}"
            )
        slots, columns = [slot for slot, _ in used], [place for _, place in used]
        cut = cut_windows(recording, columns, self.window_seconds, self.hop_seconds)
        said = [self._run(windows, slots) for windows in cut.batches]
        heard = tuple(
            recording.names[place] for place, there in zip(columns, cut.heard, strict=True) if there
        )
        logits, embeddings, agreement = (np.concatenate(part)[cut.order] for part in zip(*said, strict=True))
        return NoseReadings(logits, embeddings, cut.ends, heard, cut.seconds, agreement)

    def _run(
        self, windows: NDArray[np.float64], slots: list[int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
        every = np.full((*windows.shape[:2], len(self.config.channels)), np.nan)
        every[:, :, slots] = windows
        said = features_of(every, self._floors)
        logits, embeddings = self._session.run(
            None, {"pairs": said.pairs, "channels": said.channels, "present": said.present}
        )
        whole = is_whole(windows.shape[1] / RATE, self.window_seconds)
        both, agreement = join(logits, said, self._forest if whole else None)
        return both, embeddings, agreement
