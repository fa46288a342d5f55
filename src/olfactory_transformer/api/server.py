"""From settings to a listening process that ends well."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from contextlib import ExitStack

from uvicorn.config import Config

from olfactory_transformer import __version__
from olfactory_transformer.api.app import create_app, create_side_app
from olfactory_transformer.api.lifecycle import Lifecycle, Parts
from olfactory_transformer.api.listeners import bind, listen, url
from olfactory_transformer.api.routes.probes import health_router, metrics_router
from olfactory_transformer.api.serving import Serving
from olfactory_transformer.api.watching import watch
from olfactory_transformer.core.errors import OlfactoryError
from olfactory_transformer.engine.build import build_engine
from olfactory_transformer.observe.logs import configure_logging
from olfactory_transformer.observe.tracing import configure_tracing, stop_tracing
from olfactory_transformer.settings import Settings, load_settings

logger = logging.getLogger("olfactory_transformer.server")


def main(**overrides: object) -> int:
    """Serve until told to stop, and return the exit code.

    0: all that was accepted was answered or told that it was not; 1: told so often that it ended at once; 2: it could
    not start, with one line on standard error.

    Parameters
    ----------
    **overrides : object
        Settings that go before the environment; None is no value.
    """
    try:
        return 0 if run(load_settings(**overrides)) else 1
    except OlfactoryError as error:
        print(f"olfactory: {error}", file=sys.stderr)
        return 2


def run(settings: Settings) -> bool:
    """Serve until SIGTERM or Ctrl-C, then finish what was accepted; return whether it came to that.

    Raises
    ------
    SettingsError
        An address cannot be listened on.
    ModelError
        The model cannot be used.
    DatabaseError
        Keys are required, and the file with them cannot be used.
    """
    configure_logging(settings.log_level, form=settings.log_format, file=settings.log_file)
    configure_tracing(settings.otel_exporter_otlp_endpoint, __version__)
    lifecycle, parts = Lifecycle(), Parts()
    addresses = {
        setting: (settings.host, port, setting)
        for setting, port in (
            ("PORT", settings.port),
            ("HEALTH_CHECK_PORT", settings.health_check_port),
            ("METRICS_PORT", settings.metrics_port),
        )
        if port is not None
    }
    # The addresses first, as they are quick to refuse; nobody can connect before the model is loaded.
    with ExitStack() as stack:
        bound = {setting: stack.enter_context(bind(*address)) for setting, address in addresses.items()}
        engine = build_engine(settings)
        app = create_app(settings, engine, lifecycle=lifecycle, parts=parts)
        watch(engine, app.state.access, settings, app.state.metrics, parts)
        routers = {"HEALTH_CHECK_PORT": health_router, "METRICS_PORT": metrics_router}
        sides = {bound[name]: create_side_app(app, routers[name]) for name in routers if name in bound}
        serving = Serving(app, settings, lifecycle)
        # What is there now stays until the end. Left out, a collection that would stop all for a tenth of a second, to
        # look at it once more, takes a few milliseconds.
        gc.collect()
        gc.freeze()

        async def serve() -> None:
            serving.handle_signals()
            for setting, address in addresses.items():
                listen(bound[setting], *address)
            logger.info("serving %s on %s", engine.info.full_version, url(bound["PORT"]))
            for setting in sorted(bound.keys() - {"PORT"}):
                logger.info("%s is %s", setting, url(bound[setting]))
            await serving.run(bound["PORT"], sides)

        try:
            with asyncio.Runner(loop_factory=Config(app, log_config=None).get_loop_factory()) as runner:
                runner.run(serve())
        finally:
            stop_tracing()
    return not lifecycle.forced
