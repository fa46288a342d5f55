"""`olfactory serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from olfactory_transformer.cli.options import ConfigOption, ServedModelOption


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="$HOST, or 127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 takes any free one.", show_default="$PORT, or 8000"),
    ] = None,
    model: ServedModelOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve predictions over HTTP until Ctrl-C or SIGTERM."""
    from olfactory_transformer.api.server import main

    raise typer.Exit(main(host=host, port=port, model_path=model, olfactory_config=config))
