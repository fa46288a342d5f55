"""Where frames come from: one file a kind, behind the contract of `contract.py`."""

from olfactory_transformer.sensors.sources.opening import source_of

__all__ = ["source_of"]
