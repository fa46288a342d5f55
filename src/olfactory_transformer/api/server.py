"""From settings to a listening process that ends well."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import closing

import uvicorn

from olfactory_transformer import __version__
from olfactory_transformer.api.app import create_app
from olfactory_transformer.core.errors import OlfactoryError, SettingsError
from olfactory_transformer.engine.build import build_engine
from olfactory_transformer.observe.logs import configure_logging
from olfactory_transformer.observe.tracing import configure_tracing, stop_tracing
from olfactory_transformer.settings import Settings, load_settings

logger = logging.getLogger("olfactory_transformer.server")
_BACKLOG = 2048


def main(**overrides: object) -> int:
    """Serve until told to stop, and return the exit code: 0, or 2 with one line on standard error.

    Parameters
    ----------
    **overrides : object
        Settings that go before the environment; None is no value.
    """
    try:
        run(load_settings(**overrides))
    except OlfactoryError as error:
        print(f"olfactory: {error}", file=sys.stderr)
        return 2
    return 0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests in progress.

    Raises
    ------
    SettingsError
        The address cannot be listened on.
    ModelError
        The model cannot be used.
    """
    configure_logging(settings.log_level, form=settings.log_format, file=settings.log_file)
    configure_tracing(settings.otel_exporter_otlp_endpoint, __version__)
    # The address first, as it is quick to refuse; nobody can connect before the model is loaded.
    with closing(_bind(settings)) as bound:
        engine = build_engine(settings)
        config = uvicorn.Config(
            create_app(settings, engine),
            lifespan="on",
            ws="none",
            workers=1,  # not WEB_CONCURRENCY: settings.py alone reads the environment
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=settings.shutdown_timeout,
        )
        server = uvicorn.Server(config)
        # When uvicorn is done it raises the signal that stopped it once more, for whoever handled it before:
        # by default that kills the process, and a good end would look like a crash.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        _listen(bound, settings)
        logger.info("serving %s on %s", engine.info.full_version, _url(bound))
        try:
            server.run(sockets=[bound])
        finally:
            stop_tracing()


def _bind(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise SettingsError(f"HOST: got {settings.host!r}, which has no address ({error})") from None
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise _refused(settings, error) from None
    return bound


def _listen(bound: socket.socket, settings: Settings) -> None:
    try:
        bound.listen(_BACKLOG)
    except OSError as error:  # another process was faster
        raise _refused(settings, error) from None


def _refused(settings: Settings, error: OSError) -> SettingsError:
    reason = (error.strerror or "not possible").lower()
    return SettingsError(
        f"PORT: got {settings.port} on {settings.host} ({reason}), "
        "expected a free port of an address of this machine"
    )


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
