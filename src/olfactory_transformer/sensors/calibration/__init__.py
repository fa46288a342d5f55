"""What a board's numbers mean: its levels in clean air, its answers to known compounds, and whether they still hold.

    clean air ─▶ baseline (R0) ─┐
    known ppm ─▶ curve ─────────┼─▶ build ─▶ Calibration (value) ─▶ apply, estimate (relate), status
    other room ▶ room ──────────┘                 ├─▶ drift: clean air again
                                                  └─▶ Checks (checks): stuck, saturated, missing, while frames come

`level` turns readings into the logarithm of a resistance, which everything else here works with.
"""
