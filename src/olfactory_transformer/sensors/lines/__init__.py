"""What boards write, a line a frame.

bytes ─▶ text (checksum, limits) ─▶ reader (which format) ─▶ fields (time, number, channels) ─▶ Said
"""

from olfactory_transformer.sensors.lines.reader import FORMATS, LineFormat, LineReader
from olfactory_transformer.sensors.lines.said import BrokenLine, Said

__all__ = ["FORMATS", "BrokenLine", "LineFormat", "LineReader", "Said"]
