"""docker-compose.yml and what it mounts, held against the settings, and against the real programs where that can be."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from deploy.conftest import ROOT
from services.run import free_port

from olfactory_transformer.settings import Settings

DOCKER = ROOT / "deploy" / "docker"
COMPOSE = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
API = SERVICES["olfactory-api"]
SECRET = {name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)}
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())


def setting_of(variable):
    """Return the setting that an environment variable sets, and whether it names a file with the value."""
    name = variable.lower()
    return (name, False) if name in Settings.model_fields else (name.removesuffix("_file"), True)


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.cuda.yml"])
def test_every_variable_is_a_setting_with_an_allowed_value(file):
    environment = yaml.safe_load((DOCKER / file).read_text())["services"]["olfactory-api"]["environment"]
    values = {}
    for variable, value in environment.items():
        name, by_file = setting_of(variable)
        assert name in Settings.model_fields, variable
        assert isinstance(value, str), f"{variable}: YAML reads {value!r}"
        assert (name in SECRET) == by_file, f"{variable}: secrets by a file, and nothing else"
        if not by_file:
            values[name] = value
    Settings(**values)


def test_secrets_are_files_that_git_does_not_know():
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    for secret in COMPOSE["secrets"].values():
        path = DOCKER / secret["file"]
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode == 0
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        for variable, value in service.get("environment", {}).items():
            if re.search("password|secret|token|_url", variable, re.IGNORECASE):
                assert variable.endswith("_FILE"), variable
                assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_no_tag_moves_by_itself():
    for service in SERVICES.values():
        _, _, tag = service["image"].partition(":")
        assert re.match(r"v?\d+\.\d+\.\d+", tag), service["image"]


def test_only_the_api_and_grafana_are_published_and_on_this_machine_alone():
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"olfactory-api": ["127.0.0.1:8000:8000"], "grafana": ["127.0.0.1:3000:3000"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name, service in SERVICES.items():
        assert ("outside" in service["networks"]) == (name in published)


@each_service
def test_containers_are_hardened(service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert not service.keys() & {"privileged", "network_mode", "pid", "ipc", "cap_add", "devices"}
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


@each_service
def test_containers_have_a_health_check(service):
    own = "dockerfile" in service.get("build", {})  # it has the image's
    assert own or len(service["healthcheck"]["test"]) >= 2


def test_what_is_mounted_is_there():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (DOCKER / source).exists(), source
                assert volume.endswith(":ro"), volume
            else:
                assert source in COMPOSE["volumes"], source


def test_files_that_are_built_from_are_there():
    for file in ("docker-compose.yml", "docker-compose.cuda.yml"):
        build = yaml.safe_load((DOCKER / file).read_text())["services"]["olfactory-api"]["build"]
        assert (ROOT / build["dockerfile"]).is_file()
    assert (DOCKER / API["build"]["context"]).resolve() == ROOT


def test_prometheus_looks_where_the_server_shows_its_metrics():
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "olfactory"]
    assert job["static_configs"] == [{"targets": [f"olfactory-api:{API['environment']['METRICS_PORT']}"]}]
    assert "metrics_path" not in job  # /metrics


def test_docker_waits_for_what_the_server_takes_to_end():
    takes = int(API["environment"]["SHUTDOWN_DELAY"]) + int(API["environment"]["SHUTDOWN_TIMEOUT"])
    assert int(API["stop_grace_period"].removesuffix("s")) > takes


@pytest.fixture
def secrets(tmp_path):
    """Secrets made by the script, in a copy of the folder."""
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    subprocess.run([tmp_path / "secrets.sh"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_the_script_makes_every_secret_and_keeps_what_is_there(secrets):
    assert {f"./secrets/{path.name}" for path in secrets.iterdir()} == {
        secret["file"] for secret in COMPOSE["secrets"].values()
    }
    made = {path.name: path.read_text() for path in secrets.iterdir()}
    assert all(re.fullmatch(r"[\w:/@.-]{30,}", text) for text in made.values()), made
    assert made["redis_password"] != made["grafana_admin_password"]
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in secrets.iterdir())
    subprocess.run([secrets.parent / "secrets.sh"], check=True)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == made


def test_the_url_of_redis_is_that_of_the_service(secrets):
    url = (secrets / "redis_url").read_text()
    Settings(redis_url=url)
    password = (secrets / "redis_password").read_text()
    assert url == f"redis://:{password}@redis-cache:6379/0"


def test_redis_starts_as_written_with_a_password_a_limit_and_no_disk(secrets, tmp_path):
    """The service's command and health check, with this machine's paths in place of the container's."""
    import redis

    service, port = SERVICES["redis-cache"], free_port()

    def here(text):
        for old, new in {
            "$$": "$",
            "/run/secrets": str(secrets),
            "/usr/local/etc/redis/redis.conf": str(DOCKER / "redis.conf"),
            "/tmp/redis.conf": str(tmp_path / "redis.conf"),
            "redis-cli": f"redis-cli -p {port}",
        }.items():
            text = text.replace(old, new)
        return text

    shell, option, script = service["command"]
    command = [shell, option, here(script).replace("redis-server ", f"redis-server --port {port} ", 1)]
    command[2] = re.sub(r"(redis-server) (--port \d+) (\S+)", r"\1 \3 \2", command[2])
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            kind, check = service["healthcheck"]["test"]
            assert kind == "CMD-SHELL"
            deadline = time.monotonic() + 60
            while subprocess.run(["sh", "-c", here(check)], capture_output=True).returncode:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            password = (secrets / "redis_password").read_text()
            assert password not in " ".join(_arguments(process.pid))
            assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
            with pytest.raises(redis.AuthenticationError):
                redis.Redis(port=port).ping()
            client = redis.Redis(port=port, password=password)
            settings = client.config_get()
            assert settings["maxmemory"] == str(512 * 2**20)
            assert settings["maxmemory-policy"] == "allkeys-lru"
            assert (settings["save"], settings["appendonly"]) == ("", "no")
        finally:
            process.terminate()


def _arguments(pid):
    return open(f"/proc/{pid}/cmdline").read().split("\0")  # noqa: PTH123


def test_the_command_of_the_page_makes_a_key(tmp_path):
    page = (ROOT / "docs" / "operations" / "monitoring.md").read_text()
    (command,) = re.findall(r" exec olfactory-api (.*)", page)
    program, *arguments = command.split()
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'olfactory.db'}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert len(done.stdout.strip()) > 20
