"""Where frames come from: one file a kind, behind the contract of `contract.py`."""
