"""Every command of the pages below is run, and what it prints is compared with what the page shows.

A block marked ```console is a session: lines after "$ " are run by bash, one after the other in one folder, and the
lines that follow have to be what is printed, where "..." stands for anything and white space does not count. A
server is started by a line that ends with "&"; "$!" in later lines is its process. A block marked ```python runs as
it stands; comments "# → text" say what the line before prints. One marked ```toml:NAME or ```csv:NAME is that file.
For the ports that pages use, free ones stand in, with a Redis of the test's own.

Blocks marked ```sh need what a test does not have (root, systemd, Docker, other machines); of those only the syntax is
checked.
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
from contextlib import ExitStack
from pathlib import Path

import pytest
from services.run import redis

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SESSIONS = {  # pages that are run one after the other in one folder
    "README": [ROOT / "README.md"],
    "tutorial": [DOCS / "tutorial.md"],
    "cache": [DOCS / "reference" / "cache.md"],
    "recordings": [DOCS / "reference" / "recordings.md", DOCS / "reference" / "boards.md"],
    "settings": [DOCS / "reference" / "settings.md"],
    "monitoring": [DOCS / "operations" / "monitoring.md"],
    "install": [DOCS / "operations" / "install.md"],
    "configure and run": [DOCS / "operations" / "configure.md", DOCS / "operations" / "run.md"],
}
BLOCK = re.compile(r"^```(console|python|(?:csv|toml):[\w.]+)\n(.*?)^```", re.M | re.S)
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


@pytest.mark.parametrize("pages", SESSIONS.values(), ids=SESSIONS)
def test_the_commands_of_a_page_print_what_it_says(pages, tmp_path):
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    with ExitStack() as stack:
        ports = {name: str(free_port()) for name in ("8000", "8080", "9464")}
        if "6379" in text:
            ports["6379"] = str(stack.enter_context(redis()).port)
        text = re.sub("|".join(ports), lambda found: ports[found[0]], text)
        # As in a terminal 100 wide, with the commands of this environment.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}
        if "\nport = " not in text:  # of a page that does not say it
            env["PORT"] = ports["8000"]
        ran = stack.enter_context(Session(tmp_path, env, ports["8000"])).run(text)
    assert ran >= 2, f"{pages} have hardly any commands: is the pattern still right?"


class Session:
    """A folder in which the blocks of a text are run; servers are told to end when it is left."""

    def __init__(self, folder: Path, env: dict[str, str], port: str) -> None:
        self.folder, self.env, self.port = folder, env, port
        self.servers: list[subprocess.Popen] = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
        codes = [server.wait(60) for server in self.servers]
        assert set(codes) <= {0}

    def run(self, text: str) -> int:
        """Return how many commands were run."""
        ran = 0
        for kind, block in BLOCK.findall(text):
            if ":" in kind:
                (self.folder / kind.partition(":")[2]).write_text(block, encoding="utf-8")
            elif kind == "python":
                ran += run_python(block, self.folder, self.env)
            else:
                for command, expected in commands(block):
                    ran += self.command(command, expected)
        return ran

    def command(self, command: str, expected: str) -> int:
        if command.startswith("make "):
            return 0  # it makes the environment that this test runs in
        if command.endswith("&"):
            self.servers.append(start(command[:-1].strip(), self.folder, self.env, self.port))
            return 1
        done = subprocess.run(
            ["bash", "-c", command.replace("$!", str(self.servers[-1].pid) if self.servers else "$!")],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
        )
        check(done.stdout + done.stderr, expected, command)
        return 1


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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
                if answer.status == 200:
                    return server
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise AssertionError(f"{command} did not get ready")


EVERY_PAGE = pytest.mark.parametrize(
    "page", sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md")}), ids=lambda p: p.name
)


@EVERY_PAGE
def test_the_syntax_of_commands_that_are_not_run(page):
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + block


def test_every_page_of_the_operators_is_run():
    run = {page for pages in SESSIONS.values() for page in pages}
    shown = {page for page in (DOCS / "operations").glob("*.md") if "```console" in page.read_text("utf-8")}
    assert shown <= run


@EVERY_PAGE
def test_links_lead_somewhere(page):
    prose = re.sub(r"^```.*?^```|`[^`]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#:]+)\)", prose):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
