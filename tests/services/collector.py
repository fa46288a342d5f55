"""An OpenTelemetry collector in miniature: it takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Collector:
    """What was received; `status` is what it answers."""

    def __init__(self) -> None:
        self.spans, self.resources, self.paths, self.raw = [], [], [], b""
        self.status = 200
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        self.paths.append(path)
        self.raw += body
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append(plain(group.resource.attributes))
            for scope in group.scope_spans:
                self.spans += scope.spans

    def span(self, name):
        (found,) = [span for span in self.spans if span.name == name]
        return found


def plain(attributes):
    """Return OTLP attributes as a dict."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


@contextmanager
def collector():
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if kept.status == 200:
                kept.take(self.path, body)
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(kept.status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
