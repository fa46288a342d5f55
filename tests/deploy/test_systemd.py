"""The unit for systemd: what it says fits the server, and systemd understands it."""

import re
import shutil
import subprocess

import pytest
from deploy.conftest import ROOT

from olfactory_transformer.settings import Settings

UNIT = ROOT / "deploy" / "systemd" / "olfactory.service"
INSTALL = ROOT / "docs" / "operations" / "install.md"
CONFIGURE = ROOT / "docs" / "operations" / "configure.md"


def said(name):
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_its_variables_are_settings():
    names = [variable.partition("=")[0].lower() for variable in said("Environment")]
    assert names == ["olfactory_config"]
    assert set(names) <= set(Settings.model_fields)


def test_systemd_waits_longer_than_the_server_takes_to_end():
    (seconds,) = map(float, said("TimeoutStopSec"))
    text = CONFIGURE.read_text()
    times = {
        name: float(re.search(rf"^{name} = (\d+)", text, re.MULTILINE)[1])
        for name in ("shutdown_delay", "shutdown_timeout")
    }
    assert seconds > sum(times.values()) + 5
    assert said("KillMode") == ["mixed"]  # or the model processes would be told to end, too


def test_the_page_names_what_the_unit_uses():
    page = INSTALL.read_text()
    (config,) = said("Environment")
    for path in (config.partition("=")[2], said("ExecStart")[0].split()[0], said("WorkingDirectory")[0]):
        assert path in page
    for kind, base in (("StateDirectory", "lib"), ("CacheDirectory", "cache"), ("LogsDirectory", "log")):
        (name,) = said(kind)
        assert f"/var/{base}/{name}" in page
    assert f"User={said('User')[0]}" in UNIT.read_text() and f"--system {said('User')[0]}" in page


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_it(tmp_path):
    unit = tmp_path / UNIT.name
    # The program has to be there.
    unit.write_text(UNIT.read_text().replace(said("ExecStart")[0].split()[0], "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
