"""The rules, by promtool; and every expression of ours, by a real Prometheus that watches a real server."""

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml
from deploy.conftest import ROOT, ask
from services.run import prometheus

DOCKER = ROOT / "deploy" / "docker"
RULES = {
    name: yaml.safe_load((DOCKER / "prometheus" / name).read_text())
    for name in ("alerts.yml", "recorded.yml")
}
DASHBOARD = json.loads((DOCKER / "grafana" / "dashboards" / "olfactory.json").read_text())
ALERTS = [rule for group in RULES["alerts.yml"]["groups"] for rule in group["rules"]]
# They come with a board of sensors, and with a GPU.
NOT_HERE = {
    "olfactory_sensor_calibration_status",
    "olfactory_sensor_connected",
    "olfactory_sensor_last_reading_timestamp_seconds",
    "olfactory_gpu_utilization_percent",
}
NAME = re.compile(r"\b(?:(?:olfactory|process)_\w+|job:[\w:]+|up|ALERTS)\b")


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def names(expression):
    """Return the metrics that an expression is of."""
    found = set(NAME.findall(re.sub(r'"[^"]*"', "", expression)))
    return {
        re.sub(r"_(bucket|sum|count)$", "", name) if name.startswith("olfactory") else name for name in found
    }


def panels():
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def of_the_dashboard():
    """Yield each query of the dashboard, with its variables filled in."""
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "30s")
            yield panel["title"], text.replace("$job", "olfactory").replace("$instance", ".*")


EXPRESSIONS = [
    *of_the_dashboard(),
    *(
        (rule.get("alert") or rule["record"], rule["expr"])
        for r in RULES.values()
        for g in r["groups"]
        for rule in g["rules"]
    ),
]


@pytest.fixture(scope="module")
def watched(serving):
    """Prometheus with our configuration, made to look at our server, and often."""
    config = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(DOCKER / "prometheus" / name) for name in config["rule_files"]]
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "olfactory"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{serving.metrics}"]}]
    with prometheus(yaml.safe_dump(config)) as service:
        yield service


def query(service, path, **parameters):
    url = f"{service.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["data"]


def test_configuration_and_rules_are_valid():
    promtool("check", "config", DOCKER / "prometheus" / "prometheus.yml")
    promtool(
        "check", "rules", "--lint=all", "--lint-fatal", *(DOCKER / "prometheus" / name for name in RULES)
    )


def test_each_alert_fires_when_it_should_and_not_otherwise():
    promtool("test", "rules", DOCKER / "prometheus" / "alerts_test.yml")


def test_every_alert_has_such_a_test():
    tests = yaml.safe_load((DOCKER / "prometheus" / "alerts_test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in ALERTS}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_every_alert_says_what_to_do_in_the_runbook():
    page = (ROOT / "docs" / "operations" / "monitoring.md").read_text()
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("page", "ticket")
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "docs/operations/monitoring.md"
        assert anchor == rule["alert"].lower()
        assert f"\n### {rule['alert']}\n" in page
    assert set(re.findall(r"^### (Olfactory\w+)$", page, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


def test_every_metric_that_we_ask_for_is_documented():
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    recorded = {rule["record"] for group in RULES["recorded.yml"]["groups"] for rule in group["rules"]}
    for title, expression in EXPRESSIONS:
        for name in names(expression) - recorded - {"up", "ALERTS"}:
            known = f"`{name}`" in page or (name.startswith("process_") and "`process_*`" in page)
            assert known, f"{title}: {name}"


def test_prometheus_reads_every_metric_of_the_page_from_a_real_server(watched, serving):
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    expected = set(re.findall(r"^\| `(olfactory_\w+)` \|", page, re.MULTILINE)) - NOT_HERE
    found = {}
    for _ in range(60):
        time.sleep(1)
        found = {re.sub(r"_(bucket|sum|count)$", "", n) for n in query(watched, "label/__name__/values")}
        if expected <= found:
            break
    assert expected - found == set()


def test_every_expression_is_evaluated_and_every_panel_shows_something(watched, serving):
    waiting = {pair for pair in EXPRESSIONS if not names(pair[1]) <= NOT_HERE}
    alerts = {rule["expr"] for rule in ALERTS}
    for _ in range(90):
        # Something for the rates: a molecule that no cache knows, the same again, and one that is none.
        ask(serving.main, "/v1/predict", {"smiles": "C" * (10 + int(time.monotonic()) % 100) + "O"})
        ask(serving.main, "/v1/predict", {"smiles": "CCO"})
        ask(serving.main, "/v1/predict", {"smiles": "CC("})
        for title, expression in list(waiting):
            answer = query(watched, "query", query=expression)  # an error is an exception
            if answer["result"] or expression in alerts:  # that no alert fires is as it should be
                waiting.remove((title, expression))
        if not waiting:
            break
        time.sleep(1)
    assert waiting == set()


def test_prometheus_took_the_rules(watched):
    groups = query(watched, "rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == {
        rule["alert"] for rule in ALERTS
    }
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []


def test_no_alert_fires_on_a_healthy_server(watched):
    firing = [alert for alert in query(watched, "alerts")["alerts"] if alert["state"] == "firing"]
    assert firing == []


def test_the_dashboard_uses_panels_that_grafana_still_has():
    assert {panel["type"] for panel in DASHBOARD["panels"]} <= {
        "row",
        "stat",
        "timeseries",
        "heatmap",
        "table",
    }
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboard_has_the_panels_of_the_guide():
    titles = {panel["title"] for panel in panels()}
    assert {"Request Rate", "Response Time", "Model Performance", "System Resources"} <= titles


def test_panels_do_not_overlap():
    taken = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_grafana_is_given_the_data_source_that_the_dashboard_names():
    folder = DOCKER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yml").read_text())["datasources"]
    for panel in panels():
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    (provider,) = yaml.safe_load((folder / "dashboards" / "olfactory.yml").read_text())["providers"]
    compose = yaml.safe_load((DOCKER / "docker-compose.yml").read_text())
    assert (
        f"./grafana/dashboards:{provider['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
    )
    assert Path(source["url"]).name == "prometheus:9090"
