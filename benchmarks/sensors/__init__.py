"""Measurements of serving electronic noses."""
