"""Scoring files of any size: a reader a format, a writer a format, and the loop between them."""

from olfactory_transformer.bulk.score import Summary, score_file

__all__ = ["Summary", "score_file"]
