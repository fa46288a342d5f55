"""What boards write, a line a frame: see `reader`."""

from olfactory_transformer.sensors.lines.reader import BrokenLine, LineReader, Said

__all__ = ["BrokenLine", "LineReader", "Said"]
