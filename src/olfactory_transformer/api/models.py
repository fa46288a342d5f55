"""The models that an administrator may switch to, and switching to one: by name, never by a path."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

from olfactory_transformer.api.problems import ApiError
from olfactory_transformer.core.errors import EngineFault, ModelError, shown
from olfactory_transformer.engine.contract import Engine, ModelInfo
from olfactory_transformer.model.folder import MANIFEST, bundled_models

logger = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Models:
    """Names of models, and one change at a time.

    Parameters
    ----------
    engine : Engine
    folder : Path or None
        Its subfolders with a manifest are models, besides those that ship with the package.

    Examples
    --------
    >>> from olfactory_transformer.engine.fake import FakeEngine
    >>> Models(FakeEngine(), None).names()
    ['olfactory-base-v1']
    """

    def __init__(self, engine: Engine, folder: Path | None) -> None:
        self._engine, self._folder = engine, folder
        self._changing = asyncio.Lock()

    def names(self) -> list[str]:
        """Return what may be switched to, sorted; may block for as long as it takes to read a folder."""
        return sorted({*bundled_models(), *self._own()})

    def _own(self) -> dict[str, Path]:
        """Return the folders below MODELS_DIR by their names; one that cannot be read has none."""
        if self._folder is None:
            return {}
        try:
            found = sorted(self._folder.iterdir())
        except OSError as error:
            logger.warning("MODELS_DIR cannot be read (%s)", error.strerror)
            return {}
        return {
            path.name: path for path in found if _NAME.fullmatch(path.name) and (path / MANIFEST).is_file()
        }

    async def change(self, name: str | None = None, *, wait: bool = False) -> ModelInfo:
        """Serve the model of this name, or read again the one that is served.

        Parameters
        ----------
        name : str or None
        wait : bool
            Until another change is done, rather than be refused.

        Raises
        ------
        ApiError
            unknown-model, reload-in-progress, or reload-failed: then the old model goes on.
        """
        if self._changing.locked() and not wait:
            raise ApiError(
                "reload-in-progress", "another change of the model is not done; ask again when it is"
            )
        async with self._changing:
            target = None if name is None else await asyncio.to_thread(self._located, name)
            try:
                return await self._engine.reload(target)
            except (ModelError, EngineFault) as error:
                logger.error("the model was not changed", exc_info=error)
                asked, served = name or self._engine.info.name, self._engine.info.full_version
                detail = f"{asked}: {_reason(error)} The log has more; {served} goes on"
                raise ApiError("reload-failed", detail) from error

    def _located(self, name: str) -> str:
        own = self._own()  # what a client sent is only ever compared with what is there
        if name in own:
            return str(own[name])
        if name in bundled_models():
            return name
        raise ApiError("unknown-model", f"got {shown(name)}, expected one of {', '.join(self.names())}")


def _reason(error: ModelError | EngineFault) -> str:
    """Return a sentence: what kind of error it is, as its own text has paths of the server.

    >>> _reason(ModelError("/srv/models/next/config.json: missing"))
    'A model folder that cannot be used.'
    """
    if isinstance(error, EngineFault):
        return "Its warm-up failed."
    return (type(error).__doc__ or "").strip().splitlines()[0]
