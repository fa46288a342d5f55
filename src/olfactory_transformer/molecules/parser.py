"""RDKit's parser, with its reason and position turned into our errors.

RDKit tells why a SMILES does not parse only through its log. A refused text is parsed once more with the log
turned to Python. As the log is one for the whole process, every call that may write to it holds one lock.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rdkit import Chem, rdBase

from olfactory_transformer.core.errors import MoleculeError, UnparsableMolecule

_log_lock = threading.Lock()
_POSITION = re.compile(r"around position (\d+)")
_REASON = re.compile(r"SMILES Parse Error: (.*?)(?: while parsing: .*| for input: .*)?$")
_REASON_LENGTH = 120  # a kekulisation error counts up all atoms
# Atoms as they follow each other in a SMILES; RDKit numbers them in this order.
_ATOM = re.compile(r"\[[^\]]*\]|Br|Cl|[BCNOPSFIbcnops*]")
_ATOM_NUMBER = re.compile(r"(?:bonds|and) atom (\d+)")  # as the parser's reasons for ring closures name it
_RING_LABEL = re.compile(r"\[[^\]]*\]|%\((\d+)\)|%(\d\d)|(\d)")
# RDKit keeps these in a byte and lets larger ones wrap round: it reads [CH260] as methane.
_NUMBERS = (
    (re.compile(r"(?<=\[)\d{4,}"), "an isotope", "at most 3 digits"),
    (re.compile(r"(?<!@[OT])H\d\d+"), "a hydrogen count", "at most 9"),  # @OH12 is a chirality
    (re.compile(r"[+-](?:1[6-9]|[2-9]\d|\d{3,})(?=[:\]])"), "a charge", "-15 to +15"),
)
_EXPECTED = "a valid SMILES"


def _renew_lock() -> None:
    global _log_lock
    _log_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a child must not inherit the lock held
    os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def quietly(smiles: str = "") -> Iterator[None]:
    """Run RDKit without its log; whatever it raises in here becomes UnparsableMolecule.

    Parameters
    ----------
    smiles : str
        The text whose atoms are worked on in their order; empty if that is lost, then errors have no position.
    """
    with _log_lock, rdBase.BlockLogs():
        try:
            yield
        except Chem.MolSanitizeException as error:
            reason = re.sub(r"\s+", " ", str(error)).strip()
            if len(reason) > _REASON_LENGTH:
                reason = reason[:_REASON_LENGTH] + "..."
            raise UnparsableMolecule(reason, _EXPECTED, _error_position(error, smiles)) from None
        except RuntimeError:  # an invariant of RDKit's was violated; its text is for its developers
            raise UnparsableMolecule("atoms and bonds that RDKit cannot handle", _EXPECTED) from None


def _parameters() -> Chem.SmilesParserParams:
    params = Chem.SmilesParserParams()
    for option in ("sanitize", "removeHs", "parseName", "allowCXSMILES"):
        setattr(params, option, False)
    return params


_PARAMETERS = _parameters()


def check_numbers(smiles: str) -> None:
    """Raise UnparsableMolecule for a number in brackets that is beyond what RDKit keeps."""
    for pattern, what, expected in _NUMBERS:
        if found := pattern.search(smiles):
            number = found.group().lstrip("H")
            got = f"{what} of {number}" if len(number) < 10 else f"{what} of {len(number)} digits"
            raise UnparsableMolecule(got, expected, found.start())


def parse_syntax(smiles: str) -> Chem.Mol:
    """Return the bare graph of `smiles`: nothing perceived, hydrogens kept; UnparsableMolecule if refused."""
    with quietly():
        mol = Chem.MolFromSmiles(smiles, _PARAMETERS)
    if mol is None:
        raise _syntax_error(smiles)
    return mol


class _Lines(logging.Handler):
    """Keeps the log lines of one thread."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.lines.extend(record.getMessage().splitlines())


@contextmanager
def _captured_log() -> Iterator[list[str]]:
    """Turn RDKit's log to a list, and then back to where the user had it."""
    logger = logging.getLogger("rdkit")
    handler = _Lines()
    with _log_lock:
        status = dict(line.split(":", 1) for line in rdBase.LogStatus().splitlines())
        kept = logger.propagate, logger.level, logger.handlers
        logger.handlers = [handler]  # in place of the one that RDKit puts there, which prints
        logger.propagate, logger.level = False, logging.DEBUG
        rdBase.LogToPythonLogger()
        try:
            yield handler.lines
        finally:
            # RDKit does not tell where its log goes. Turning it to Python enables all of it, as nothing else does.
            if set(status.values()) != {"enabled"}:
                rdBase.LogToCppStreams()
                for name, state in status.items():
                    (rdBase.EnableLog if state == "enabled" else rdBase.DisableLog)(name)
            logger.propagate, logger.level, logger.handlers = kept


def _syntax_error(smiles: str) -> MoleculeError:
    """Ask the parser again and read its reason from the log."""
    with _captured_log() as lines:
        Chem.MolFromSmiles(smiles, _PARAMETERS)
    reason, position = "syntax error", None
    for line in lines:
        if found := _POSITION.search(line):
            position = min(int(found.group(1)), len(smiles)) - 1
        elif (found := _REASON.search(line)) and not found.group(1).startswith("Failed parsing"):
            reason = found.group(1)
    if position is None:
        position = _ring_position(reason, smiles)
    return UnparsableMolecule(reason, _EXPECTED, position)


def _ring_position(reason: str, smiles: str) -> int | None:
    """Return where the ring closure stands that the parser complains of."""
    if found := _ATOM_NUMBER.search(reason):
        return _atom_position(int(found.group(1)), smiles)
    open_rings: dict[int, int] = {}
    for label in _RING_LABEL.finditer(smiles):
        if label.lastindex:
            number = int(label.group(label.lastindex))
            if open_rings.pop(number, None) is None:
                open_rings[number] = label.start()
    return min(open_rings.values(), default=None) if reason == "unclosed ring" else None


def sanitise(mol: Chem.Mol, smiles: str) -> None:
    """Perceive valences, rings and aromaticity in place; UnparsableMolecule if chemistry forbids it."""
    with quietly(smiles):
        Chem.SanitizeMol(mol)
    if ":" in smiles:  # RDKit takes C:C, and gives such atoms broken valences
        for bond in mol.GetBonds():
            if bond.GetBondType() == Chem.BondType.AROMATIC and not bond.GetIsAromatic():
                position = _atom_position(bond.GetBeginAtomIdx(), smiles)
                raise UnparsableMolecule(
                    "a bond ':' that is not aromatic, after the atom", _EXPECTED, position
                )


def _error_position(error: Exception, smiles: str) -> int | None:
    """Return where in the text the atom that RDKit complains of stands."""
    cause: Any = getattr(error, "cause", None)
    if hasattr(cause, "GetAtomIdx"):
        return _atom_position(cause.GetAtomIdx(), smiles)
    if hasattr(cause, "GetAtomIndices"):
        return _atom_position(min(cause.GetAtomIndices(), default=-1), smiles)
    return None


def _atom_position(index: int, smiles: str) -> int | None:
    starts = [found.start() for found in _ATOM.finditer(smiles)]
    return starts[index] if 0 <= index < len(starts) else None
