"""The reference pages say what the code does: each table here against the code, both ways."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from olfactory_transformer.api.app import create_app
from olfactory_transformer.api.catalogue import KINDS
from olfactory_transformer.engine.contract import EngineLoad
from olfactory_transformer.engine.fake import FakeEngine
from olfactory_transformer.observe.metrics import Metrics
from olfactory_transformer.settings import Settings, allowed
from olfactory_transformer.utils.stores.contract import StoreStats

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def table(page, heading):
    """Return the rows of the table whose first column has this heading, as tuples of text without back ticks."""
    lines = iter((REFERENCE / page).read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    else:
        pytest.fail(f"{page} has no table with the column {heading!r}")
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(tuple(cell.strip().replace("`", "") for cell in line.strip("|").split("|")))
    return rows


def test_settings():
    expected = [
        (name.upper(), "" if field.default is None else str(field.default), allowed(name), field.description)
        for name, field in Settings.model_fields.items()
    ]
    assert table("settings.md", "Variable") == expected


def test_routes():
    app = create_app(Settings(), FakeEngine())
    described = {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    documented = dict(table("routes.md", "Route"))
    assert set(documented) == {*described, f"GET {app.openapi_url}", "GET /docs"}
    for route, summary in described.items():
        assert documented[route].startswith(summary)


def test_members_of_a_request():
    from olfactory_transformer.api.schemas import PredictRequest

    documented = [(name, default) for name, default, _ in table("routes.md", "Member")]
    defaults = {n: f.get_default() for n, f in PredictRequest.model_fields.items() if not f.is_required()}
    words = '"{}"'.format(defaults["words"])
    assert documented == [("smiles", "required"), ("words", words), ("dilution", str(defaults["dilution"]))]
    assert len(PredictRequest.model_fields) == len(documented)


def test_headers():
    from starlette.testclient import TestClient

    with TestClient(create_app(Settings(), FakeEngine())) as client:
        sent = {name for name in client.get("/health").headers if name.startswith("x-")}
    assert {name.lower() for name, _ in table("routes.md", "Header")} == sent


def filled_metrics():
    """Metrics of which every one has a value."""
    info = SimpleNamespace(name="m", version="1", hash="0", accuracy=0.9)
    metrics = Metrics()
    metrics.request_began()
    metrics.request_done("GET", "/", 0.1, status=200)
    metrics.error("internal")
    metrics.watch_engine(lambda: EngineLoad(0, 1, 1, 1), lambda: "ready", lambda: info)
    metrics.watch_cache(lambda: {"memory": StoreStats()})
    metrics.watch_breaker("redis", lambda: "closed")
    metrics.watch_rate_limit(lambda: "off")
    metrics.watch_gpu(lambda: 0.0)
    metrics.sensors.expect("serial", ["unplugged"])
    metrics.sensors.expect_board("bench-1")
    return metrics


def test_metrics():
    found = {}
    for family in filled_metrics().registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        labels = {n for s in family.samples if not s.name.endswith("_created") for n in s.labels} - {"le"}
        if not family.name.endswith("_created") and not family.name.startswith("process_"):
            found[family.name + suffix] = (family.type, labels, family.documentation)
    documented = {
        name: (kind, set(labels.split(", ")) - {""}, meaning)
        for name, kind, labels, meaning in table("metrics.md", "Metric")
    }
    assert documented == found


def test_metrics_of_the_guide_are_there_with_their_kinds_and_labels():
    documented = {name: (kind, labels) for name, kind, labels, _ in table("metrics.md", "Metric")}
    guide = {
        "olfactory_requests_total": ("counter", "method, endpoint"),
        "olfactory_request_duration_seconds": ("histogram", ""),
        "olfactory_errors_total": ("counter", "error_type"),
        "olfactory_inference_duration_seconds": ("histogram", ""),
        "olfactory_batch_size": ("histogram", ""),
        "olfactory_model_accuracy": ("gauge", ""),
        "olfactory_memory_usage_bytes": ("gauge", ""),
        "olfactory_gpu_utilization_percent": ("gauge", ""),
        "olfactory_cache_hit_rate": ("gauge", ""),
        "olfactory_sensor_readings_total": ("counter", "sensor_type"),
        "olfactory_sensor_errors_total": ("counter", "sensor_type, error"),
        "olfactory_sensor_calibration_status": ("gauge", "sensor_id"),
    }
    assert guide.items() <= documented.items()


def test_errors():
    expected = [(kind.code, str(kind.status), kind.title) for kind in KINDS.values()]
    assert table("errors.md", "Code") == expected


def test_every_code_that_the_api_uses_is_in_the_catalogue():
    source = ROOT / "src" / "olfactory_transformer" / "api"
    used = {
        code
        for path in source.rglob("*.py")
        for code in re.findall(r'ApiError\(\s*"([\w-]+)"', path.read_text())
    }
    assert "too-many-items" in used
    assert used <= set(KINDS)


def test_warnings():
    source = ROOT / "src" / "olfactory_transformer"
    used = {
        code
        for path in source.rglob("*.py")
        for code in re.findall(r'MoleculeWarning\(\s*"([\w-]+)"', path.read_text())
    }
    assert {code for code, _ in table("errors.md", "Warning")} == used
