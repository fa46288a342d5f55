"""The fault matrix: every way in which we know a server can be hurt, and what ours does then."""
