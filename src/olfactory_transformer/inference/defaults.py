"""What is used when nothing is said; light enough for a command line to import."""

DEFAULT_MODEL = "olfactory-base-v1"
