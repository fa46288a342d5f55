"""Who asks: what a path needs, where a request comes from, and whose key it has. `api.gate` puts them together."""
