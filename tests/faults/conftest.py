"""Fixtures of the tests that hurt a running server."""

from faults.server import heavy, matrix, poisoned_model

__all__ = ["heavy", "matrix", "poisoned_model"]
