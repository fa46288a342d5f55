"""What is used when nothing is said; light enough for a command line to import."""

DEFAULT_MODEL = "olfactory-base-v1"

DEFAULT_NOSE = "smellnet-base-v1"
