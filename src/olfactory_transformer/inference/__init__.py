"""Runtimes that turn checked input into predictions."""
