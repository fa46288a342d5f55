"""One file a format; each keeps the contract of `bulk.contract`."""
