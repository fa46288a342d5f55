"""Data → fit → evaluate → export. Needs the `train` extra; nothing that serves imports it."""
