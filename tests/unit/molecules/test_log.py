"""RDKit's log is one for the process: reasons must not mix between threads, nothing may be printed, all is put back."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from rdkit import Chem, rdBase

from olfactory_transformer.core.errors import MoleculeError
from olfactory_transformer.molecules import read_molecule

REASONS = {
    "C1CC": "unclosed ring",
    "CC)": "extra close parentheses",
    "C11": "duplicated ring closure",
    "C(C)(C)(C)(C)C": "Explicit valence",
    "c1cccc1": "kekulize",
    "CC(": "syntax error at character 3",
}


@pytest.fixture
def eager_switching():
    kept = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(kept)


@pytest.fixture
def cpp_log():
    """RDKit's log as it is after an import, whatever other tests did."""
    rdBase.LogToCppStreams()
    yield
    rdBase.LogToCppStreams()


def reason(smiles: str) -> str:
    with pytest.raises(MoleculeError) as caught:
        read_molecule(smiles)
    return str(caught.value)


def test_each_thread_gets_its_own_reason(eager_switching, cpp_log, capfd):
    cases = list(REASONS.items()) * 100
    start = threading.Barrier(6)

    def work(shift: int) -> list[str]:
        start.wait()
        wrong = []
        for smiles, expected in cases[shift:] + cases[:shift]:
            if expected not in (got := reason(smiles)):
                wrong.append(f"{smiles}: {got}")
            read_molecule("CC(=O)[O-].[Na+]")  # logs, too
        return wrong

    with ThreadPoolExecutor(6) as pool:
        assert [wrong for found in pool.map(work, range(6)) for wrong in found] == []
    assert capfd.readouterr() == ("", "")


def test_nothing_is_printed(cpp_log, capfd):
    for smiles in (*REASONS, "[H][H]", "CC(=O)[O-].[Na+]", "[2H]C", "C[N+](C)(C)C", "[Cu]", "C/C=C/C"):
        with contextlib.suppress(MoleculeError):
            read_molecule(smiles)
    assert capfd.readouterr() == ("", "")


def test_the_log_is_left_as_it_was(cpp_log, capfd):
    before = rdBase.LogStatus()
    reason("C1CC")
    assert rdBase.LogStatus() == before
    Chem.MolFromSmiles("C1CC")
    assert "unclosed ring" in capfd.readouterr().err

    rdBase.DisableLog("rdApp.error")
    try:
        disabled = rdBase.LogStatus()
        reason("C1CC")
        assert rdBase.LogStatus() == disabled != before
    finally:
        rdBase.EnableLog("rdApp.error")


def test_a_users_own_logger_is_put_back(cpp_log, capfd):
    class Keeper(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.lines.append(record.getMessage())

    logger, keeper = logging.getLogger("rdkit"), Keeper()
    kept = logger.handlers, logger.level, logger.propagate
    logger.handlers, logger.propagate = [keeper], True
    logger.setLevel(logging.ERROR)
    rdBase.LogToPythonLogger()
    try:
        assert "unclosed ring" in reason("C1CC")
        assert (logger.handlers, logger.level, logger.propagate) == ([keeper], logging.ERROR, True)
        assert keeper.lines == []
        Chem.MolFromSmiles("C1CCC")  # still goes to the user's handler
        assert any("unclosed ring" in line for line in keeper.lines)
        assert "unclosed ring" not in capfd.readouterr().err  # on which other tests' threads may write, too
    finally:
        logger.handlers, logger.level, logger.propagate = kept


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_during_a_read_does_not_inherit_the_lock():
    from olfactory_transformer.molecules.parser import quietly

    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with quietly():
            held.set()
            release.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    child = os.fork()
    if not child:
        read_molecule("CCO")  # hangs on a lock that nobody will release, if it was inherited
        os._exit(0)
    try:
        for _ in range(200):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                break
            threading.Event().wait(0.05)
        else:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        assert status == 0
    finally:
        release.set()
        thread.join()
