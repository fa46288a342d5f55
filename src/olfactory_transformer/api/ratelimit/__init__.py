"""How often somebody may ask: GCRA, in memory or in a Redis that several servers share.

`tests/unit/api/ratelimit/test_contract.py` runs against both limiters.
"""
