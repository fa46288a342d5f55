"""Places that keep bytes under keys: one contract, and memory, disk and Redis behind it."""
