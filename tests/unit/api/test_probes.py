from prometheus_client.parser import text_string_to_metric_families

from olfactory_transformer.engine.fake import WORDS, FakeEngine


def sample(client, name, **labels):
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for found in family.samples:
            if found.name == name and found.labels == labels:
                return found.value
    return 0.0


def test_alive_and_ready(client):
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "degraded": []}


def test_until_it_is_warm_it_is_alive_but_not_ready(started):
    engine = FakeEngine(held=True)
    client = started(engine)
    assert client.get("/health").status_code == 200
    for reply in (client.get("/ready"), client.post("/v1/predict", json={"smiles": "CCO"})):
        assert (reply.status_code, reply.json()["code"]) == (503, "not-ready")
        assert reply.headers["retry-after"] == "1"
    assert client.get("/v1/words").status_code == 200
    client.portal.call(engine.release)
    assert client.get("/ready").status_code == 200
    assert client.post("/v1/predict", json={"smiles": "CCO"}).status_code == 200


def test_a_failed_engine_is_not_ready_and_recovers_by_itself(started):
    engine = FakeEngine(broken=True)
    client = started(engine)
    reply = client.get("/ready")
    assert (reply.status_code, reply.json()["code"]) == (503, "engine-failed")
    assert client.get("/health").status_code == 200
    engine.broken = False
    assert client.get("/ready").status_code == 200


def test_model_and_words(started):
    client = started(max_items=7, max_body_bytes=5000)
    model = client.get("/v1/model").json()
    assert (model["name"], model["version"]) == ("made-up", "1")
    assert model["sizes"]["words"] == len(WORDS)
    assert (model["limits"]["items"], model["limits"]["body_bytes"]) == (7, 5000)
    assert client.get("/v1/words").json() == {"words": list(WORDS)}


def test_the_index_links_to_pages_that_are_there(client):
    links = client.get("/").json()["links"]
    statuses = {path: client.get(path).status_code for path in links.values()}
    assert statuses.pop("/v1/predict") == statuses.pop("/v1/predict/stream") == 405
    assert set(statuses.values()) == {200}


def test_requests_are_counted_by_route(client):
    before = sample(client, "olfactory_requests_total", method="GET", endpoint="/health")
    client.get("/health")
    client.get("/health?x=1")
    assert sample(client, "olfactory_requests_total", method="GET", endpoint="/health") == before + 2


def test_no_client_can_make_up_a_label(client):
    for n in range(5):
        client.get(f"/made/up/{n}")
        client.get(f"/errors/made-up-{n}")
        client.request(f"VERB{n}", "/health")
    text = client.get("/metrics").text
    assert "/made" not in text
    assert "made-up-" not in text
    assert "VERB" not in text
    assert sample(client, "olfactory_requests_total", method="GET", endpoint="unmatched") == 5
    assert sample(client, "olfactory_requests_total", method="GET", endpoint="/errors/{code}") == 5
    assert sample(client, "olfactory_requests_total", method="other", endpoint="/health") == 5


def test_what_the_gate_refuses_is_counted_by_area(started, tmp_path):
    client = started(api_key_required=True, database_url=f"sqlite:///{tmp_path / 'keys.db'}")
    for path in ("predict", "made-up/1", "made-up/2", "admin/reload", "admin/made-up", "x/../ADMIN/y"):
        assert client.post(f"/v1/{path}").status_code == 401
    assert client.get("/v2/models/made-up").status_code == 401
    found = {
        line.partition('endpoint="')[2].partition('"')[0]
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("olfactory_requests_total{")
    }
    assert found == {"/v1/*", "/v1/admin/*", "/v2/*"}
    assert sample(client, "olfactory_requests_total", method="POST", endpoint="/v1/*") == 3


def test_predictions_are_timed_and_probes_are_not(client):
    client.get("/health")
    assert sample(client, "olfactory_request_duration_seconds_count") == 0
    client.post("/v1/predict", json={"smiles": ["CCO", "CCC", "C1CC"]})
    assert sample(client, "olfactory_request_duration_seconds_count") == 1
    assert sample(client, "olfactory_inference_duration_seconds_count") == 1
    assert sample(client, "olfactory_batch_size_sum") == 3


def test_errors_are_counted_by_kind(client):
    client.post("/v1/predict", json={"smiles": ["CCO", "C1CC", "", "C1CC"]})
    client.post("/v1/predict", json={"smiles": "C1CC"})
    client.get("/nowhere")
    assert sample(client, "olfactory_errors_total", error_type="unparsable") == 3
    assert sample(client, "olfactory_errors_total", error_type="empty") == 1
    assert sample(client, "olfactory_errors_total", error_type="not-found") == 1


def test_applications_do_not_share_metrics(started):
    one, other = started(), started()
    one.get("/v1/words")
    assert sample(one, "olfactory_requests_total", method="GET", endpoint="/v1/words") == 1
    assert sample(other, "olfactory_requests_total", method="GET", endpoint="/v1/words") == 0
