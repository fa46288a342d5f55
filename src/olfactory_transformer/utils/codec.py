"""Predictions as bytes, for caches and between processes: MessagePack behind a format number, never pickle."""

from __future__ import annotations

import msgspec

from olfactory_transformer.core.config import ScentPrediction

# Change it when a field of ScentPrediction changes its meaning: entries of another format are misses.
FORMAT = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(ScentPrediction)


def encode_prediction(prediction: ScentPrediction) -> bytes:
    """Return a prediction as bytes.

    >>> decode_prediction(encode_prediction(ScentPrediction(("musk",), 5.0)))
    ScentPrediction(primary_notes=('musk',), intensity=5.0, ...)
    """
    return FORMAT + _encoder.encode(prediction)


def decode_prediction(data: bytes) -> ScentPrediction | None:
    """Return the prediction, or None for bytes that are not one: truncated, altered, foreign or of another format.

    >>> decode_prediction(b"not one") is None
    True
    """
    if data[:1] != FORMAT:
        return None
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
