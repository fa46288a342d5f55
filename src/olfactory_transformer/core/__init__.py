"""Values and errors that every other part shares; imports nothing of the package."""
