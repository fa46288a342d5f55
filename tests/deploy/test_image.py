"""What the Dockerfiles say, and what of it can be done without Docker: the wheel, its contents, the health check."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from deploy.conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from services.run import free_port
from services.web import web

from olfactory_transformer.settings import Settings

DOCKER = ROOT / "deploy" / "docker"
DOCKERFILES = ["Dockerfile", "Dockerfile.cuda"]
each_dockerfile = pytest.mark.parametrize("name", DOCKERFILES)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions(name):
    """Return the instructions of a Dockerfile as pairs of a word and the rest, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / name).read_text(), flags=re.MULTILINE)
    return [tuple(line.split(None, 1)) for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def last_stage(name):
    every = instructions(name)
    start = max(i for i, (word, _) in enumerate(every) if word == "FROM")
    return every[start:]


def one(name, word):
    (value,) = [rest for said, rest in last_stage(name) if said == word]
    return value


def environment(name):
    return dict(re.findall(r"(\w+)=(\S+)", one(name, "ENV")))


@each_dockerfile
def test_bases_are_pinned(name):
    bases = [rest for word, rest in instructions(name) if word == "ARG" and rest.startswith("BASE=")]
    assert len(bases) == 1
    assert re.search(r":(\d+\.\d+\.\d+)-\S+$", bases[0])
    assert all(rest.split()[0] == "${BASE}" for word, rest in instructions(name) if word == "FROM")
    assert "latest" not in (DOCKER / name).read_text()


@each_dockerfile
def test_it_runs_as_a_user_without_rights(name):
    assert one(name, "USER") == "10001:10001"
    after = last_stage(name)[[word for word, _ in last_stage(name)].index("USER") :]
    assert not [rest for word, rest in after if word in ("RUN", "COPY", "ADD")]
    # A path of root's home would not be readable, as that of the guide's is not.
    assert "/root" not in (DOCKER / name).read_text()


@each_dockerfile
def test_no_secret_and_nothing_unneeded_goes_in(name):
    text = (DOCKER / name).read_text()
    assert not re.search("password|api_key|token", text, re.IGNORECASE)
    assert "torch" not in re.sub("(?m)^#.*", "", text)
    assert not [rest for word, rest in instructions(name) if word == "ADD"]
    assert not [rest for word, rest in instructions(name) if word == "COPY" and rest.startswith(". ")]


@each_dockerfile
def test_what_is_copied_is_there_and_gets_past_dockerignore(name):
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, rest in instructions(name):
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source in kept, source


@each_dockerfile
def test_the_environment_is_of_settings(name):
    values = {key.lower(): value for key, value in environment(name).items()}
    for key in ("path", "pythonunbuffered", "pythondontwritebytecode"):
        values.pop(key)
    assert values.keys() <= Settings.model_fields.keys()
    settings = Settings(**values)
    assert one(name, "EXPOSE") == str(settings.port)
    # What must be writable belongs to the user, so that a volume put there does, too.
    folders = re.search(
        r"install -d -o olfactory -g olfactory (.+)", " ".join(r for _, r in last_stage(name))
    ).group(1)
    assert str(settings.cache_dir) in folders.split()
    database = settings.database_url.get_secret_value().removeprefix("sqlite:///")
    assert str(Path(database).parent) in folders.split()


@each_dockerfile
def test_both_entry_points_of_the_guide(name):
    # Neither this nor `python -m olfactory_transformer.api` says where to listen: the environment does, so `--env` can.
    assert json.loads(one(name, "CMD")) == ["python", "-m", "olfactory_transformer.cli", "serve"]
    assert (environment(name)["HOST"], environment(name)["PORT"]) == ("0.0.0.0", "8000")


def health_check(name, **variables):
    """Run the image's health check, where the copied file lies here, and return its exit code."""
    _, _, command = one(name, "HEALTHCHECK").partition("CMD ")
    (copied,) = [rest.split() for word, rest in last_stage(name) if word == "COPY" and "healthcheck" in rest]
    words = [sys.executable if word == "python" else word for word in json.loads(command)]
    words = [str(ROOT / copied[0]) if word == copied[1] else word for word in words]
    clean = {key: value for key, value in os.environ.items() if key not in ("PORT", "HEALTH_CHECK_PORT")}
    return subprocess.run(words, env={**clean, **variables}, capture_output=True, text=True, timeout=60)


@each_dockerfile
def test_the_health_check_asks_the_server(name, serving):
    done = health_check(name, PORT=str(serving.main))
    assert (done.returncode, done.stdout) == (0, f"/ready on port {serving.main}: 200\n")
    assert health_check(name, PORT="1", HEALTH_CHECK_PORT=str(serving.health)).returncode == 0


@each_dockerfile
def test_the_health_check_finds_what_is_not_healthy(name):
    assert health_check(name, PORT=str(free_port())).returncode == 1
    with web(health=200, ready=503) as server:
        assert health_check(name, PORT=server.url.rpartition(":")[2]).returncode == 1
        server.delay = 600
        done = health_check(name, PORT=server.url.rpartition(":")[2])
        assert done.returncode == 1
        assert "Timeout" in done.stderr


def pinned():
    lines = [
        line for line in (DOCKER / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return found


def test_requirements_are_pinned_and_satisfy_the_package():
    extras = PROJECT["optional-dependencies"]
    wanted = [
        *PROJECT["dependencies"],
        *(r for extra in ("redis", "postgres", "tracing", "sensors") for r in extras[extra]),
    ]
    found = pinned()
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(found[canonicalize_name(requirement.name)]), str(requirement)
    assert not {"torch", "pytest", "scipy", "matplotlib", "ray"} & found.keys()


def test_the_cuda_image_has_one_onnx_runtime():
    """Both builds are the same module, so one must take the place of the other."""
    run = next(rest for word, rest in instructions("Dockerfile.cuda") if word == "RUN" and "sed" in rest)
    change = re.search(r'sed -i "(s/.+?/)"', run).group(1).replace("${ONNXRUNTIME_GPU}", "1.2.3")
    text = subprocess.run(
        ["sed", change, DOCKER / "requirements.txt"], check=True, capture_output=True, text=True
    ).stdout
    assert re.findall(r"^onnxruntime.*", text, re.MULTILINE) == ["onnxruntime-gpu==1.2.3"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """What `pip install .` builds of the files that get past .dockerignore."""
    context, out = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, context)
    shutil.copytree(ROOT / "src", context / "src", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, context]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_has_all_that_serves_and_no_more(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tracked = subprocess.run(
        ["git", "ls-files", "src"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {name.removeprefix("src/") for name in tracked if (ROOT / name).exists()} <= set(names)
    pretrained = "olfactory_transformer/pretrained/olfactory-base-v1"
    assert {f"{pretrained}/model.onnx", f"{pretrained}/manifest.json"} <= set(names)
    assert any(
        re.match(r"olfactory_transformer/database/migrations/versions/\w+\.py", name) for name in names
    )
    assert not [
        name for name in names if name.split("/")[0].startswith(("tests", "benchmarks", "deploy", "docs"))
    ]


def test_what_is_installed_from_the_wheel_predicts(wheel, tmp_path):
    """Both entry points and a prediction, from the wheel alone, beside the libraries that are here."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-P", *arguments],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    where = run("-c", "import olfactory_transformer as o; print(o.__file__)").strip()
    assert Path(where).is_relative_to(tmp_path)
    assert "fruity" in run("-m", "olfactory_transformer.cli", "predict", "CCCC(=O)OCC")
    assert "--port" in run("-m", "olfactory_transformer.cli", "serve", "--help")
    run("-c", "import olfactory_transformer.api.__main__, sys; assert 'torch' not in sys.modules")
