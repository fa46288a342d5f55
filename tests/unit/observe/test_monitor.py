import asyncio
import json
import subprocess
import sys
import threading
import time

import pytest
from services.run import free_port
from services.web import web

from olfactory_transformer.observe import alerts
from olfactory_transformer.observe.monitor import HealthMonitor


@pytest.fixture
def server():
    with web(health=200, ready=200) as state:
        yield state


def test_as_in_the_guide(server):
    monitor = HealthMonitor([server.url], check_interval=60)
    health = monitor.check_health(server.url)
    assert health.pop("response_time") > 0
    assert health == {"endpoint": server.url, "status": "healthy", "status_code": 200, "path": "/ready"}
    assert server.asked == ["/health", "/ready"]


def test_alive_but_not_ready_is_not_healthy(server):
    server.statuses["/ready"] = 503
    health = HealthMonitor([server.url]).check_health(server.url)
    assert (health["status"], health["status_code"], health["path"]) == ("unhealthy", 503, "/ready")


@pytest.mark.parametrize("status", [204, 301, 404, 500])
def test_only_200_is_good(server, status):
    server.statuses["/health"] = status
    health = HealthMonitor([server.url]).check_health(server.url)
    assert (health["status"], health["status_code"], health["path"]) == ("unhealthy", status, "/health")


def test_nobody_there():
    url = f"http://127.0.0.1:{free_port()}"
    health = HealthMonitor([url]).check_health(url)
    assert health["status"] == "error"
    assert health["error"].startswith("ConnectError")


@pytest.mark.parametrize("fault", ["silent", "dripping"])
def test_the_time_limit_is_for_everything(server, fault):
    if fault == "silent":
        server.delay = 600
    else:
        server.drip = True  # each byte comes soon enough
    began = time.monotonic()
    health = HealthMonitor([server.url], timeout=0.5).check_health(server.url)
    assert health["error"] == "no answer within 0.5 s"
    assert time.monotonic() - began < 30


def test_servers_are_asked_at_the_same_time():
    with web(health=200, ready=200) as one, web(health=200, ready=200) as other:
        one.meet = other.meet = threading.Barrier(2)  # neither answers before both are asked
        found = HealthMonitor([one.url] * 3 + [other.url + "/"], timeout=60).check_all()
        assert [h["endpoint"] for h in found] == [one.url, other.url]
        assert all(h["status"] == "healthy" for h in found)


def test_an_alert_at_a_change_alone(server):
    given = []
    monitor = HealthMonitor([server.url], failures=3, alerts=[given.append])
    for status in [200, 503, 503, 200, 503, 503, 503, 503, 503, 200, 200, 503]:
        server.statuses["/ready"] = status
        monitor.check_all()
    assert [(a.healthy, a.failures) for a in given] == [(False, 3), (True, 5)]
    assert given[0].text == f"{server.url} is not healthy (3 checks): /ready answered 503"
    assert given[1].text == f"{server.url} is healthy again, after 5 failed checks"


def test_each_server_has_its_own_count(server):
    given = []
    gone = f"http://127.0.0.1:{free_port()}"
    monitor = HealthMonitor([server.url, gone], failures=2, alerts=[given.append])
    for _ in range(3):
        monitor.check_all()
    assert [(a.endpoint, a.healthy) for a in given] == [(gone, False)]


def test_a_hook_that_fails_stops_neither_the_watch_nor_the_others(server, caplog):
    server.statuses["/ready"] = 503
    given = []

    def broken(alert):
        raise RuntimeError

    monitor = HealthMonitor([server.url], failures=1, alerts=[broken, given.append])
    monitor.check_all()
    assert len(given) == 1
    assert "an alert could not be given" in caplog.text


def test_it_goes_on_until_it_is_stopped(server):
    rounds = []
    monitor = HealthMonitor([server.url], check_interval=0.01)
    thread = threading.Thread(target=monitor.monitor_continuously, args=(rounds.append,))
    thread.start()
    while len(rounds) < 3:
        time.sleep(0.01)
    monitor.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert server.asked[:4] == ["/health", "/ready", "/health", "/ready"]


def test_stop_does_not_wait_for_the_interval(server):
    monitor = HealthMonitor([server.url], check_interval=3600)
    thread = threading.Thread(target=monitor.monitor_continuously)
    thread.start()
    while len(server.asked) < 2:
        time.sleep(0.01)
    monitor.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_inside_a_running_event_loop(server):
    """As in a notebook."""

    async def main():
        return HealthMonitor([server.url]).check_health(server.url)

    assert asyncio.run(main())["status"] == "healthy"


@pytest.mark.parametrize(
    "endpoint", ["", "host:8000", "ftp://host", "http://", "http://[", "file:///etc/passwd"]
)
def test_what_is_no_url_is_refused(endpoint):
    with pytest.raises(ValueError, match=r"^endpoint: got .*, expected a URL"):
        HealthMonitor([endpoint])


@pytest.mark.parametrize("name", ["check_interval", "timeout", "failures"])
def test_numbers_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=rf"^{name}: got 0, expected more than 0"):
        HealthMonitor(["http://host"], **{name: 0})


def failing(server, hook):
    server.statuses["/ready"] = 503
    HealthMonitor([server.url], failures=1, alerts=[hook]).check_all()


def test_a_web_hook(server):
    with web(hook=200) as chat:
        failing(server, alerts.webhook(f"{chat.url}/hook"))
        ((path, body),) = chat.posted
    alert = json.loads(body)
    assert path == "/hook"
    assert alert["text"] == f"{server.url} is not healthy (1 checks): /ready answered 503"
    assert (alert["endpoint"], alert["healthy"], alert["failures"]) == (server.url, False, 1)


def test_the_url_of_a_web_hook_is_not_logged(server, caplog):
    with web() as chat:
        failing(server, alerts.webhook(f"{chat.url}/s3cret"))
    assert "the web hook answered 404" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_command_gets_the_alert_on_its_standard_input(server, tmp_path):
    out = tmp_path / "alert; $(touch x).json"  # no shell looks at it
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
    failing(server, alerts.command([sys.executable, "-c", code, str(out)]))
    assert json.loads(out.read_text())["endpoint"] == server.url


def test_a_command_that_fails_is_told_of(server, caplog):
    failing(server, alerts.command([sys.executable, "-c", "exit(3)"]))
    failing(server, alerts.command(["/nowhere"]))
    assert [r.message for r in caplog.records].count("an alert could not be given") == 2


def test_importing_it_starts_nothing_of_the_server():
    code = "import sys, olfactory_transformer.observe.monitor; sys.exit('fastapi' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
