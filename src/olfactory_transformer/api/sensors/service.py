"""Everything about sensors that one server has, made from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.sensors.board import Board
from olfactory_transformer.api.sensors.calibrations import Calibrations
from olfactory_transformer.api.sensors.conversation import ERRORS, KIND
from olfactory_transformer.api.sensors.naming import Naming
from olfactory_transformer.api.sensors.naming_thread import BoardNaming
from olfactory_transformer.api.sensors.nose import Nose
from olfactory_transformer.api.sensors.sessions import Sessions
from olfactory_transformer.api.sensors.smells import Smells
from olfactory_transformer.core.errors import ModelError, SensorError, SettingsError
from olfactory_transformer.inference.defaults import DEFAULT_NOSE
from olfactory_transformer.model.folder import NOSE, resolve, verify
from olfactory_transformer.observe.sensors import SensorMetrics
from olfactory_transformer.sensors.identity import sensor_id_of
from olfactory_transformer.sensors.sources.contract import Source
from olfactory_transformer.settings import Settings

logger = logging.getLogger(__name__)
UPLOAD = "upload"  # the label `sensor_type` of recordings in requests


class Sensors:
    """The model, the board, the streams and the calibrations of one server.

    Parameters
    ----------
    settings : Settings
    access : Access
        Whose database has the calibrations and what was taught.
    metrics : SensorMetrics
    load : callable or None
        Loads the model; None: that of NOSE_MODEL_PATH.

    Raises
    ------
    SettingsError
        SENSOR_PORT is no source of frames, or NOSE_MODEL_PATH no model.
    MissingExtra
        What it needs is not installed.
    """

    def __init__(
        self,
        settings: Settings,
        access: Access,
        metrics: SensorMetrics,
        load: Callable[[], Naming] | None = None,
    ) -> None:
        if load is None and settings.nose_model_path != DEFAULT_NOSE:
            check_model(settings.nose_model_path)  # it is loaded when it is needed, and told of now
        self.nose = Nose(load or (lambda: load_naming(settings)), seconds=settings.inference_timeout)
        self.sessions = Sessions()
        self.calibrations, self.smells = Calibrations(access), Smells(access)
        self.board: Board | None = None
        self.naming: BoardNaming | None = None
        if (source := source_of_settings(settings)) is not None:
            self.board = Board(source, settings.sensor_id or sensor_id_of(source), metrics)
            self.naming = BoardNaming(
                self.board, self.nose, self.calibrations.read, metrics, self.smells.read
            )
        metrics.expect(KIND, ERRORS)
        metrics.expect(UPLOAD, ())

    def start(self) -> None:
        """Begin to read the board, if there is one."""
        if self.board is not None and self.naming is not None:
            self.naming.start()
            self.board.start()

    async def stop(self) -> None:
        """Let go of the board, and take no more for the model."""
        if self.board is not None and self.naming is not None:
            await asyncio.gather(asyncio.to_thread(self.board.stop), asyncio.to_thread(self.naming.stop))
        self.nose.close()

    @property
    def board_is_there(self) -> bool:
        """Whether the board sends; True where there is to be none."""
        return self.board is None or self.board.connected


def check_model(model: str) -> None:
    """Raise SettingsError unless there is such a model, with all its files as they were written."""
    try:
        verify(resolve(model, NOSE), NOSE)
    except ModelError as error:
        raise SettingsError(f"NOSE_MODEL_PATH: {error}") from None


def load_naming(settings: Settings) -> Naming:
    """Load the model of NOSE_MODEL_PATH; blocks.

    Raises
    ------
    ModelError
        It cannot be used.
    """
    from olfactory_transformer.inference.nose.evidence import Evidence
    from olfactory_transformer.inference.nose.predictor import NosePredictor

    model = NosePredictor.from_pretrained(settings.nose_model_path)
    logger.info("smells are named by %s", model.version)
    return Naming(model, lambda: Evidence(model.config), model.config)


def source_of_settings(settings: Settings) -> Source | None:
    """Return the source of SENSOR_PORT, not open yet; None if there is to be none."""
    if settings.sensor_port is None:
        return None
    from olfactory_transformer.sensors.sources import source_of

    try:
        return source_of(
            settings.sensor_port,
            baudrate=settings.sensor_baudrate,
            timeout=settings.sensor_timeout,
            names=settings.sensor_names,
            line_format=settings.sensor_format,
            password=secret.get_secret_value() if (secret := settings.sensor_password) else None,
        )
    except SensorError as error:
        raise SettingsError(f"SENSOR_PORT: {error}") from None
