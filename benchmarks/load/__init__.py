"""Loads a server from the outside and measures what its users would.

    molecules ─▶ asks (requests as bytes) ─▶ generator (open or closed loop) ─▶ client ─▶ server
                                                    └─▶ results ─▶ JSON, Markdown, plots

The loop is open by default: requests are due on a schedule that does not wait for replies, and a latency counts from
the moment a request was due. A closed loop asks again only after a reply, so a server that stalls is asked less while
it does, and the stall is counted once instead of for everybody who would have come (coordinated omission: Gil Tene,
"How NOT to Measure Latency", Strange Loop 2015; his wrk2 counts as this package does).

`run` loads any server, `compare` sets ours beside an echo and beside the library, `soak` watches memory and open files.
Linux only: timers and the figures of processes are the kernel's.
"""
