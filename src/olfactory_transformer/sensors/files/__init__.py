"""Recordings on disk: CSV, JSON Lines and Parquet; see docs/reference/recordings.md."""

from olfactory_transformer.sensors.files.limits import Limits
from olfactory_transformer.sensors.files.reading import read_recording, read_recordings
from olfactory_transformer.sensors.files.writer import RESERVED, RecordingWriter, write_recording

__all__ = ["RESERVED", "Limits", "RecordingWriter", "read_recording", "read_recordings", "write_recording"]
