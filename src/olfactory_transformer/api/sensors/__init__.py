"""Serving electronic noses.

the server's own board ─▶ Board ──┐
WebSocket ─▶ Session ─────────────┴▶ Listening ─▶ a window ─┐
a recording in a request ───────────────────────────────────┴▶ Nose (threads, a bounded line) ─▶ Naming ─▶ an answer
"""
