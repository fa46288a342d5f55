"""The cache of the deployment guide: `ModelCache`, where entries are, and `PredictionCache`, what they mean.

The server keeps the same entries under the same keys, so what one has predicted the other finds.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from olfactory_transformer.core.config import DEFAULT_DILUTION, ScentPrediction
from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.molecules import DEFAULT_LIMITS, Molecule, MoleculeLimits, read_molecule
from olfactory_transformer.utils.codec import decode_prediction, encode_prediction
from olfactory_transformer.utils.stored import as_asked, as_stored, prediction_key
from olfactory_transformer.utils.stores.contract import StoreStats
from olfactory_transformer.utils.stores.memory import MemoryStore
from olfactory_transformer.utils.stores.tiers import Tiers, open_tiers

__all__ = ["ModelCache", "PredictionCache", "as_asked", "as_stored", "prediction_key"]

logger = logging.getLogger(__name__)
Predict = Callable[[Any], Any]


class ModelCache:
    """A cache in memory, before one on disk, before one in Redis; what fails is a miss.

    Parameters
    ----------
    cache_dir : str, Path or None
        Folder of the cache on disk, which processes may share; None: no tier on disk.
    memory_cache_size : int
        Entries in memory; 0 keeps none there.
    disk_cache_size_gb : float
        GiB that the cache on disk may take.
    ttl_hours : float
        Hours that an entry is used.
    redis_url : str or None
        redis://, rediss:// or unix://, which servers may share; None: no tier in Redis.
    redis_timeout_ms : float
        Milliseconds that Redis has to answer.

    Raises
    ------
    ValueError
        A size or a time is not above 0.
    SettingsError, MissingExtra
        The URL is none, or redis-py is not installed.

    Examples
    --------
    >>> cache = ModelCache(memory_cache_size=2000)
    >>> cache.set_many({"a": b"1"})
    >>> cache.get_many(["a", "b"]), cache.stats()["memory"].hits
    ([b'1', None], 1)
    """

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        memory_cache_size: int = 1000,
        disk_cache_size_gb: float = 1.0,
        *,
        ttl_hours: float = 24,
        redis_url: str | None = None,
        redis_timeout_ms: float = 50,
    ) -> None:
        for name, value in (
            ("disk_cache_size_gb", disk_cache_size_gb),
            ("ttl_hours", ttl_hours),
            ("redis_timeout_ms", redis_timeout_ms),
        ):
            if not value > 0:
                raise ValueError(f"{name}: got {value!r}, expected a number above 0")
        if memory_cache_size < 0:
            raise ValueError(f"memory_cache_size: got {memory_cache_size!r}, expected 0 or more")
        ttl = 3600 * ttl_hours
        self.tiers = open_tiers(
            memory_entries=memory_cache_size,
            folder=None if cache_dir is None else Path(cache_dir),
            disk_bytes=round(disk_cache_size_gb * 2**30),
            redis_url=redis_url,
            redis_timeout=redis_timeout_ms / 1000,
            ttl=ttl,
        )
        self.memory = Tiers([s for s in self.tiers.stores if isinstance(s, MemoryStore)], ttl)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the value of each key, None where no tier has it."""
        return self.tiers.get_many(keys)

    def set_many(self, items: Mapping[str, bytes]) -> None:
        """Keep the items in every tier."""
        self.tiers.set_many(items)

    def cleanup_old_cache(self, max_age_days: float) -> int:
        """Delete entries written more than `max_age_days` ago; return how many. Redis expires its own."""
        return self.tiers.delete_older(86_400 * max_age_days)

    def stats(self, *, count: bool = False) -> dict[str, StoreStats]:
        """Return what each tier has done and, with `count`, what it holds (memory is always counted)."""
        return self.tiers.by_tier(count=count)

    def clear(self) -> int:
        """Delete all entries of this package; return how many, each counted in every tier that had it."""
        return self.tiers.clear()

    def close(self) -> None:
        """Let go of files and connections."""
        self.tiers.close()


class PredictionCache:
    """Predictions of one model, by molecule: another spelling of a known molecule is a hit.

    Keys hold the model's hash, so that another model's answers are never taken for this one's. Where it is not known,
    neither given nor an attribute of whatever predicts, entries stay in memory and in this object: the next process
    may have another model.

    Parameters
    ----------
    model_cache : ModelCache
    model_hash : str or None
        `ScentPredictor.model_hash`. None: that of the predictor whose method `get_or_predict` is given.
    limits : MoleculeLimits
        Above which a molecule is refused.

    Examples
    --------
    >>> from olfactory_transformer import ScentPredictor
    >>> predictor = ScentPredictor.from_pretrained("olfactory-base-v1")
    >>> cache = PredictionCache(ModelCache())
    >>> first = cache.get_or_predict("CCO", predictor.predict)
    >>> again = cache.get_or_predict("OCC", predictor.predict)
    >>> again.words == first.words, again.smiles, cache.model_cache.stats()["memory"].hits
    (True, 'OCC', 1)
    """

    def __init__(
        self,
        model_cache: ModelCache,
        *,
        model_hash: str | None = None,
        limits: MoleculeLimits = DEFAULT_LIMITS,
    ) -> None:
        self.model_cache, self.model_hash, self.limits = model_cache, model_hash, limits
        self._nameless = secrets.token_hex()

    @overload  # a str is a sequence of str, too, so this one comes first
    def get_or_predict(  # type: ignore[overload-overlap]
        self, smiles: str, predict: Predict, dilution: float = ..., *, errors: Literal["raise"] = ...
    ) -> ScentPrediction: ...

    @overload
    def get_or_predict(
        self,
        smiles: Sequence[str],
        predict: Predict,
        dilution: float = ...,
        *,
        errors: Literal["raise"] = ...,
    ) -> list[ScentPrediction]: ...

    @overload
    def get_or_predict(
        self, smiles: Sequence[str], predict: Predict, dilution: float = ..., *, errors: Literal["return"]
    ) -> list[ScentPrediction | MoleculeError]: ...

    def get_or_predict(
        self,
        smiles: str | Sequence[str],
        predict: Predict,
        dilution: float = DEFAULT_DILUTION,
        *,
        errors: Literal["raise", "return"] = "raise",
    ) -> ScentPrediction | Sequence[ScentPrediction | MoleculeError]:
        """Return what is known, and predict and keep the rest.

        Parameters
        ----------
        smiles : str or sequence of str
        predict : callable
            Asked as you ask, with what is not known yet, each molecule once: for a str with a str, of which it
            returns the ScentPrediction; for a list with a list, of which it returns a list as long. One that
            answers a list with a single ScentPrediction is taken to predict one molecule, and asked for each.
            Only a prediction that names its molecule (`canonical_smiles`) is kept; others are just returned.
        dilution : float
            Volume fraction at which `predict` predicts.
        errors : "raise" or "return"
            What to do with a molecule that cannot be read: raise, or return the error in its place. `predict` is
            not asked about it.

        Raises
        ------
        MoleculeError
            A molecule cannot be read (with errors="raise"); nothing was predicted then.
        ValueError
            `predict` belongs to another model than `model_hash`, or returned too few or too many predictions, or
            ones at another dilution.
        TypeError
            It returned something else.
        """
        if errors not in ("raise", "return"):
            raise ValueError(f"errors: got {errors!r}, expected 'raise' or 'return'")
        alone = isinstance(smiles, str)
        texts = [smiles] if isinstance(smiles, str) else list(smiles)
        tiers, model = self._scope(predict)
        read = [self._read(text) for text in texts]
        if errors == "raise":
            _raise_first(read, alone)
        keys = [prediction_key(model, m.key, dilution) if isinstance(m, Molecule) else "" for m in read]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            if key:
                first.setdefault(key, i)
        known = {
            key: stored
            for key, data in zip(first, tiers.get_many(list(first)), strict=True)
            if data is not None and (stored := decode_prediction(data)) is not None
        }
        missing = {key: i for key, i in first.items() if key not in known}
        answers = _asked(predict, [texts[i] for i in missing.values()], alone) if missing else []
        unnamed: dict[str, ScentPrediction] = {}
        for (key, i), answer in zip(missing.items(), answers, strict=True):
            molecule = read[i]
            assert isinstance(molecule, Molecule)  # or it would have no key
            if answer.dilution != dilution:
                raise ValueError(f"predict: got a prediction at {answer.dilution:g}, expected {dilution:g}")
            if answer.canonical_smiles == molecule.smiles:
                known[key] = as_stored(answer, molecule.warnings)
            else:
                unnamed[key] = answer
        if fresh := {key: encode_prediction(known[key]) for key in missing if key in known}:
            tiers.set_many(fresh)
        if unnamed:
            logger.warning("predictions that do not name their molecule were not kept: %d", len(unnamed))

        def answered(
            text: str, key: str, molecule: Molecule | MoleculeError
        ) -> ScentPrediction | MoleculeError:
            if not isinstance(molecule, Molecule):
                return molecule
            if key in unnamed:
                return unnamed[key]
            return as_asked(known[key], text, [str(warning) for warning in molecule.warnings])

        found = list(map(answered, texts, keys, read))
        return found[0] if alone else found  # type: ignore[return-value]

    def _scope(self, predict: Predict) -> tuple[Tiers, str]:
        """Return where entries of this predictor are kept, and what goes into their keys for the model."""
        theirs = getattr(getattr(predict, "__self__", predict), "model_hash", None)
        if self.model_hash and theirs and theirs != self.model_hash:
            got, expected = str(theirs)[:12], self.model_hash[:12]
            raise ValueError(
                f"predict: got the model {got}, expected {expected}, whose predictions these are"
            )
        if model := self.model_hash or theirs:
            return self.model_cache.tiers, str(model)
        return self.model_cache.memory, self._nameless

    def _read(self, text: str) -> Molecule | MoleculeError:
        try:
            return read_molecule(text, self.limits)
        except MoleculeError as error:
            return error


def _raise_first(read: Sequence[Molecule | MoleculeError], alone: bool) -> None:
    for index, found in enumerate(read):
        if isinstance(found, MoleculeError):
            if not alone:
                found.add_note(f"in item {index} of the list; errors='return' goes on with the others")
            raise found


def _asked(predict: Predict, texts: list[str], alone: bool) -> list[ScentPrediction]:
    """Return a prediction for each text; see `PredictionCache.get_or_predict`."""
    if alone:
        answers = [predict(texts[0])]
    else:
        answer = predict(texts)
        answers = [predict(t) for t in texts] if isinstance(answer, ScentPrediction) else list(answer)
    if len(answers) != len(texts):
        raise ValueError(f"predict: got {len(answers)} predictions, expected {len(texts)}")
    for answer in answers:
        if not isinstance(answer, ScentPrediction):
            raise TypeError(f"predict: got a {type(answer).__name__}, expected a ScentPrediction")
    return answers
