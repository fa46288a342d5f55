"""A client that holds both ends of an ASGI request: sends its body in pieces, hangs up, reads the reply as it comes."""

import asyncio
import json


class Exchange:
    """One request to an ASGI application, in progress."""

    def __init__(self, app, method, path, headers=None, query=b""):
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("testserver", 80),
            "client": ("127.0.0.1", 50000),
            "scheme": "http",
            "root_path": "",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "state": {},
        }
        self.status, self.headers, self.body, self.ended = None, {}, b"", False
        self._incoming, self._changed = asyncio.Queue(), asyncio.Event()
        self._lines_read = 0
        self.writable = asyncio.Event()
        self.writable.set()
        self.task = asyncio.create_task(app(self.scope, self._receive, self._send))

    def send(self, body=b"", more=True):
        self._incoming.put_nowait({"type": "http.request", "body": body, "more_body": more})
        return self

    def hang_up(self):
        self._incoming.put_nowait({"type": "http.disconnect"})
        return self

    async def _receive(self):
        return await self._incoming.get()

    async def _send(self, message):
        await self.writable.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.body += message.get("body", b"")
            self.ended = not message.get("more_body", False)
        self._changed.set()

    @property
    def unread(self):
        """Pieces of the body that the application has not asked for."""
        return self._incoming.qsize()

    async def line(self, seconds=10):
        """Return the next line of the reply, as JSON."""
        async with asyncio.timeout(seconds):
            while self.body.count(b"\n") <= self._lines_read:
                assert not self.ended, self.body
                self._changed.clear()
                await self._changed.wait()
        self._lines_read += 1
        return json.loads(self.body.split(b"\n")[self._lines_read - 1])

    async def done(self, seconds=10):
        """Wait for the application to return, and give the reply's status."""
        async with asyncio.timeout(seconds):
            await self.task
        return self.status

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]


async def until(condition, seconds=10):
    """Wait for `condition()`."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
