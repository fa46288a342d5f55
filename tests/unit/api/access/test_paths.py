import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.api.access.paths import areas_of, route_path


def scopes(path):
    return [area.scope for area in areas_of(path)]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/ready",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/errors/internal",
        "/v3",
        "/v1x",
        "/v10/a",
        "",
    ],
)
def test_open_paths(path):
    assert scopes(path) == []


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("/v1", ["predict"]),
        ("/v1/", ["predict"]),
        ("/v1/predict", ["predict"]),
        ("/v1/nothing-there", ["predict"]),
        ("/v1/molecules/C(=O)[O-]/image", ["predict"]),
        ("/v1/molecules/F/C=C/F/image", ["predict"]),
        ("/v2/models/x/infer", ["predict"]),
        ("/v1/admin", ["admin"]),
        ("/v1/admin/reload", ["admin"]),
        ("/v1/administrator", ["predict"]),
        ("/v1/sensors/0", ["sensors"]),
    ],
)
def test_what_paths_need(path, needed):
    assert scopes(path) == needed


@pytest.mark.parametrize(
    "path",
    [
        "//v1/admin/reload",
        "/V1/Admin",
        "/v1//admin",
        "/./v1/admin",
        "/v1/./admin/x",
        "/health/../v1/admin",
        "/v1/predict/../admin/reload",
        "\\v1\\admin",
        "/v1/%61dmin",
        "/%76%31/admin",
        "/v1%2fadmin",
        "/ｖ１/ａｄｍｉｎ",
        "/v1/admin/",
        "/v1/admin//",
        "/v1/ADMIN/../admin",
    ],
)
def test_nothing_that_reads_as_an_administrators_path_is_open(path):
    assert "admin" in scopes(path)


@given(st.text())
def test_any_text_has_an_answer(path):
    assert set(scopes(path)) <= {"predict", "admin", "sensors"}
    assert scopes("/v1/" + path)


def test_long_paths_cost_little():
    assert scopes("/v1/" + "../" * 100_000) == ["predict"]
    assert "predict" in scopes("/v1/" + "ﷺ" * 100_000)


def test_the_path_below_a_mount():
    assert route_path({"path": "/v1/predict"}) == "/v1/predict"
    assert route_path({"path": "/api/v1/predict", "root_path": "/api"}) == "/v1/predict"
    assert route_path({"path": "/apiv1", "root_path": "/api"}) == "/apiv1"
