"""Servers that answer as they are told, for those who watch or alert over HTTP."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Web:
    """What it answers, a status for each path (404 for others); and the (path, body) that were posted to it."""

    def __init__(self, **statuses: int) -> None:
        self.statuses = {f"/{name}": status for name, status in statuses.items()}
        self.delay = 0.0  # seconds before an answer
        self.meet: threading.Barrier | None = None  # to wait for others at, before an answer
        self.drip = False  # a byte of a header now and then, without end
        self.posted: list[tuple[str, bytes]] = []
        self.asked: list[str] = []
        self.url = ""


@contextmanager
def web(**statuses: int):
    state = Web(**statuses)
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.path)
            ended.wait(state.delay)
            if state.meet is not None:
                state.meet.wait(30)
            if state.drip:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not ended.is_set():
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            self.answer()

        def do_POST(self):
            state.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer()

        def answer(self):
            self.send_response(state.statuses.get(self.path, 404))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """Clients that vanish are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        ended.set()
        server.shutdown()
        thread.join()
        server.server_close()
