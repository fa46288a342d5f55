"""Real services for tests, each a process of its own on a free port in a temporary folder."""
