"""`python -m benchmarks.load.echo`: the least that FastAPI can do with a JSON request, as our server runs it.

The request's JSON is parsed and returned, with no model of it and no validation: a faster echo than most would write.
"""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from olfactory_transformer.settings import load_settings

app = FastAPI(openapi_url=None)


@app.post("/v1/predict")
async def echo(request: Request) -> JSONResponse:
    """Return what was sent."""
    return JSONResponse(await request.json())


def main() -> None:
    """Serve with the options of `olfactory_transformer.api.server`."""
    bound = socket.create_server(("127.0.0.1", load_settings().port), backlog=2048)
    print(f"http://127.0.0.1:{bound.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
    )
    uvicorn.Server(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
