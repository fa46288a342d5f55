"""Training the sensor transformer: data ▸ shifts ▸ fit ▸ held_out ▸ ship.

Only `olfactory train-sensors` and the benchmarks import it.
"""
