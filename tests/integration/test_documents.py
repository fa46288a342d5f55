"""Every command in the README and the tutorial is run, and what it prints is compared with what the page shows.

A block marked ```console is a session: lines after "$ " are run by bash, one after the other in one folder, and the
lines that follow have to be what is printed, where "..." stands for anything and white space does not count. A
block marked ```python runs as it stands; comments "# → text" say what the line before prints. Pages use port 8000;
here a free one stands in.
"""

import doctest
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "tutorial.md",
    ROOT / "docs" / "reference" / "cache.md",
    ROOT / "docs" / "operations" / "monitoring.md",
]
BLOCK = re.compile(r"^```(console|python|csv:[\w.]+)\n(.*?)^```", re.M | re.S)
SAME = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def commands(block: str) -> list[tuple[str, str]]:
    """Return (command, expected output) of a console block; a backslash continues a command."""
    found: list[list[str]] = []
    continued = False
    for line in block.splitlines():
        if line.startswith("$ ") or continued:
            if continued:
                found[-1][0] += "\n" + line
            else:
                found.append([line[2:], ""])
            continued = line.endswith("\\")
        else:
            found[-1][1] += line + "\n"
    return [(command, expected) for command, expected in found]


def check(printed: str, expected: str, what: str) -> None:
    assert doctest.OutputChecker().check_output(expected, printed, SAME), (
        f"{what}\n--- the page says\n{expected}\n--- printed\n{printed}"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_print_what_it_says(page, tmp_path):
    port = str(free_port())
    # As in a terminal 100 wide, with the commands of this environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "COLUMNS": "100", "PORT": port, "NO_COLOR": "1"}
    servers = []
    ran = 0
    try:
        for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind.startswith("csv:"):
                (tmp_path / kind[4:]).write_text(block, encoding="utf-8")
                continue
            if kind == "python":
                ran += run_python(block, tmp_path, env)
                continue
            for command, expected in commands(block.replace("8000", port)):
                if command.startswith("make "):
                    continue  # it makes the environment that this test runs in
                if command.endswith("&"):
                    servers.append(start(command[:-1].strip(), tmp_path, env, port))
                    continue
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=tmp_path,
                    env=env,
                    capture_output=True,
                    text=True,
                    timeout=120,
                )
                check(done.stdout + done.stderr, expected.replace("8000", port), command)
                ran += 1
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
    assert ran >= 4, f"{page.name} has hardly any commands: is the pattern still right?"


def run_python(block: str, folder: Path, env: dict[str, str]) -> int:
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{block}\n{done.stderr}"
    expected = "".join(text + "\n" for text in re.findall(r"# → (.*)", block))
    check(done.stdout, expected, block)
    return 1


def start(command: str, folder: Path, env: dict[str, str], port: str) -> subprocess.Popen:
    server = subprocess.Popen(
        command.split(), cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                if answer.status == 200:
                    return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError(f"{command} did not get ready")


@pytest.mark.parametrize(
    "page", sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md")}), ids=lambda p: p.name
)
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
