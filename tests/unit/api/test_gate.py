"""The gate around the whole application, with a made-up engine and a real database file."""

import time
from datetime import UTC, datetime

import pytest

from olfactory_transformer.api import gate as module
from olfactory_transformer.database.audit import AuditStore
from olfactory_transformer.database.engine import Database
from olfactory_transformer.database.keys import KeyStore
from olfactory_transformer.database.upgrade import upgrade

ENVIRONMENT = "a-key-of-the-environment-1,a-key-of-the-environment-2"
ASK = {"smiles": "CCO"}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/keys.db"


@pytest.fixture
def store(url):
    database = Database(url)
    upgrade(database)
    return KeyStore(database)


@pytest.fixture
def keyed(started, url):
    def start(**settings):
        return started(**{"api_key_required": True, "database_url": url, **settings})

    return start


def ask(client, key=None, path="/v1/predict", **more):
    headers = {} if key is None else {"X-API-Key": key}
    return client.post(path, json=ASK, headers=headers, **more)


def refused(reply, status, code):
    found = reply.json()
    assert (reply.status_code, found["code"], found["status"]) == (status, code, status), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert found["request_id"] == reply.headers["x-request-id"]
    return found


def test_without_a_key(keyed):
    client = keyed()
    reply = ask(client)
    assert "X-API-Key" in refused(reply, 401, "key-required")["detail"]
    assert reply.headers["www-authenticate"].startswith("ApiKey ")
    for path in ("/v1/words", "/v1/nothing-there", "/v2/models/made-up", "/v1", "/v2/"):
        refused(client.get(path), 401, "key-required")
    assert 'error_type="key-required"} 6.0' in client.get("/metrics").text


def test_pages_that_need_none(keyed):
    client = keyed()
    for path in ("/", "/health", "/ready", "/metrics", "/docs", "/openapi.json", "/errors/internal"):
        assert client.get(path).status_code == 200, path
    assert client.get("/nothing-there").status_code == 404


def test_a_key_of_the_database(keyed, store):
    client = keyed()
    text, _ = store.create("x")
    for _ in range(3):
        assert ask(client, text).status_code == 200


def test_keys_of_the_environment(keyed):
    client = keyed(api_keys=ENVIRONMENT)
    for key in ENVIRONMENT.split(","):
        assert ask(client, key).status_code == 200
        refused(ask(client, key, "/v1/admin/reload"), 403, "scope-missing")
    refused(ask(client, ENVIRONMENT), 401, "key-refused")
    refused(ask(client, ENVIRONMENT[:25]), 401, "key-refused")


def test_wrong_keys(keyed, store):
    client = keyed()
    text, made = store.create("x")
    other, _ = store.create("y")
    mixed = f"olf_{made.id}_{other.split('_', 2)[2]}"
    for key in ("", "x", mixed, text[:-1], text + "x", text.upper(), f"olf_00000000_{'A' * 43}", "x" * 5000):
        reply = ask(client, key)
        assert refused(reply, 401, "key-refused")["detail"] == "the key is not valid"
        assert reply.headers["www-authenticate"]
    assert ask(client, text).status_code == 200


def test_expired_and_revoked(keyed, store):
    client = keyed()
    expired, _ = store.create("x", days=1e-9)
    assert refused(ask(client, expired), 401, "key-refused")["detail"] == "the key has expired"
    revoked, made = store.create("x")
    store.revoke(made.id)
    assert refused(ask(client, revoked), 401, "key-refused")["detail"] == "the key was revoked"
    # Whoever has not the secret is not told.
    guess = f"olf_{made.id}_{'A' * 43}"
    assert refused(ask(client, guess), 401, "key-refused")["detail"] == "the key is not valid"


def test_a_revoked_key_stops_working_within_seconds(keyed, store):
    client = keyed()
    text, made = store.create("x")
    assert ask(client, text).status_code == 200
    store.revoke(made.id)
    directory = client.app.state.access.directory
    clock = directory._clock
    directory._clock = lambda: clock() + 5
    refused(ask(client, text), 401, "key-refused")


def test_rotated_with_grace(keyed, store):
    client = keyed()
    old, made = store.create("x")
    new, _ = store.rotate(made.id, grace_hours=1)
    assert [ask(client, key).status_code for key in (old, new)] == [200, 200]


def test_scopes(keyed, store):
    client = keyed()
    keys = {scope: store.create(scope, [scope])[0] for scope in ("predict", "admin", "sensors")}
    paths = {"predict": "/v1/words", "admin": "/v1/admin/models", "sensors": "/v1/sensors"}
    for scope, path in paths.items():
        for held, key in keys.items():
            reply = client.get(path, headers={"X-API-Key": key})
            if held == scope:
                assert reply.status_code in (200, 404)
            else:
                detail = refused(reply, 403, "scope-missing")["detail"]
                assert detail == f"the key has the scopes {held}; expected {scope}"
    both, _ = store.create("x", ["predict", "admin"])
    for path in ("/v1/words", "/v1/admin/models"):
        assert client.get(path, headers={"X-API-Key": both}).status_code == 200


def test_administrators_need_a_key_even_where_nobody_else_does(keyed, store):
    client = keyed(api_key_required=False)
    assert ask(client).status_code == 200
    refused(client.get("/v1/admin/models"), 401, "key-required")
    text, _ = store.create("x", ["admin"])
    assert client.get("/v1/admin/models", headers={"X-API-Key": text}).status_code == 200
    assert ask(client, text).status_code == 200  # anybody may


def test_where_no_key_is_needed_a_wrong_one_is_still_refused(keyed, tmp_path):
    client = keyed(api_key_required=False)
    refused(ask(client, f"olf_00000000_{'A' * 43}"), 401, "key-refused")
    assert not (tmp_path / "keys.db").exists()  # and nothing is made on the disk


def test_limits_and_their_headers(keyed, store):
    client = keyed(rate_limit_per_minute=3)
    text, _ = store.create("x")
    other, _ = store.create("y")
    replies = [ask(client, text) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert {reply.headers["ratelimit-policy"] for reply in replies} == {'"default";q=3;w=60'}
    assert [reply.headers["ratelimit"] for reply in replies[:2]] == [
        '"default";r=2;t=40',
        '"default";r=1;t=20',
    ]
    assert all(reply.headers["ratelimit"].startswith('"default";r=0;t=') for reply in replies[2:])
    assert refused(replies[3], 429, "rate-limited")["violated-policies"] == ["default"]
    assert 1 <= int(replies[3].headers["retry-after"]) <= 20
    assert "retry-after" not in replies[0].headers
    assert ask(client, other).status_code == 200


def test_a_key_may_have_its_own_limit(keyed, store):
    client = keyed(rate_limit_per_minute=1)
    more, _ = store.create("x", limit_per_minute=5)
    assert [ask(client, more).status_code for _ in range(6)] == [200] * 5 + [429]
    without = keyed()
    assert "ratelimit" not in ask(without, store.create("y")[0]).headers
    assert ask(without, more).headers["ratelimit-policy"] == '"default";q=5;w=60'


def test_without_keys_addresses_are_limited(started):
    client = started(rate_limit_per_minute=2, trusted_proxies="10.0.0.0/8")

    def status(peer, forwarded):
        client._transport.client = (peer, 1)
        return client.get("/v1/words", headers={"X-Forwarded-For": forwarded}).status_code

    assert [status("10.0.0.1", "192.0.2.1") for _ in range(3)] == [200, 200, 429]
    assert status("10.0.0.1", "192.0.2.2") == 200
    assert [status("10.0.0.1", f"2001:db8::{n}") for n in range(3)] == [200, 200, 429]
    assert status("10.0.0.1", "2001:db8:0:1::1") == 200
    # One who is no trusted proxy cannot choose an address.
    assert [status("198.51.100.1", f"192.0.2.{n}") for n in range(10, 13)] == [200, 200, 429]


def test_every_limited_reply_has_the_headers(keyed, store):
    text, _ = store.create("x", ["predict", "admin"])
    client = keyed(rate_limit_per_minute=100)
    headers = {"X-API-Key": text}
    replies = [
        client.get("/v1/nothing-there", headers=headers),
        client.delete("/v1/predict", headers=headers),
        client.post("/v1/predict", json={"smiles": "C1CC"}, headers=headers),
        client.post("/v1/predict", content=b"{", headers=headers),
        client.head("/v1/words", headers=headers),
    ]
    assert [reply.status_code for reply in replies] == [404, 405, 422, 415, 405]
    for reply in replies:
        assert reply.headers["ratelimit-policy"] == '"default";q=100;w=60'


def test_a_server_fault_has_them_too(started, url):
    from olfactory_transformer.engine.fake import FakeEngine

    client = started(FakeEngine(raises=KeyError("a bug")), rate_limit_per_minute=5)
    reply = ask(client)
    refused(reply, 500, "internal")
    assert "ratelimit" in reply.headers


def test_wrong_keys_are_limited_by_address(keyed, store, monkeypatch):
    monkeypatch.setattr(module, "WRONG_KEYS_PER_MINUTE", 3)
    client = keyed()
    known, _ = store.create("x")
    assert ask(client, known).status_code == 200
    wrong = [f"olf_{n:08}_{'A' * 43}" for n in range(5)]
    replies = [ask(client, key) for key in wrong]
    assert [reply.status_code for reply in replies] == [401, 401, 401, 429, 429]
    assert refused(replies[3], 429, "rate-limited")["violated-policies"] == ["wrong-keys"]
    assert replies[3].headers["ratelimit-policy"] == '"wrong-keys";q=3;w=60'
    assert ask(client, known).status_code == 200  # who is known goes on
    client._transport.client = ("192.0.2.9", 1)
    refused(ask(client, wrong[4]), 401, "key-refused")


def test_who_tries_too_many_keys_costs_the_database_nothing(keyed, store, monkeypatch):
    monkeypatch.setattr(module, "WRONG_KEYS_PER_MINUTE", 3)
    client = keyed()
    asked = []
    directory = client.app.state.access.directory
    find = directory._find
    directory._find = lambda key_id: (asked.append(key_id), find(key_id))[1]
    for n in range(50):
        ask(client, f"olf_{n:08}_{'A' * 43}")
    assert len(asked) == 3


def test_the_caller_is_told_to_the_application(keyed, store):
    client = keyed(rate_limit_per_minute=5)
    text, made = store.create("a perfumer")
    seen = []

    gate = find_gate(client)
    inner = gate._app

    async def spy(scope, receive, send):
        seen.append(scope["state"])
        await inner(scope, receive, send)

    gate._app = spy
    assert ask(client, text).status_code == 200
    caller = seen[0]["caller"]
    assert (caller.id, caller.name, caller.scopes) == (made.id, "a perfumer", {"predict"})
    with pytest.raises(AttributeError):
        caller.name = "another"
    assert seen[0]["address"] == "testclient"
    # A stream pays for more by `charge`, which waits for room.
    client.portal.call(seen[0]["charge"], 3)
    assert ask(client, text).headers["ratelimit"].startswith('"default";r=0')
    assert ask(client, text).status_code == 429


def find_gate(client):
    layer = client.app.middleware_stack
    while not isinstance(layer, module.Gate):
        layer = getattr(layer, "_app", None) or layer.app
    return layer


def test_charging_waits_for_room(keyed, store):
    client = keyed(rate_limit_per_minute=600)
    text, _ = store.create("x")
    gate, seen = find_gate(client), []
    inner = gate._app

    async def spy(scope, receive, send):
        seen.append(scope["state"]["charge"])
        await inner(scope, receive, send)

    gate._app = spy
    ask(client, text)
    began = time.monotonic()
    client.portal.call(seen[0], 599 + 3)
    assert time.monotonic() - began >= 0.2  # one each tenth of a second


def test_with_the_database_gone_known_keys_go_on_and_others_are_told_so(keyed, store, tmp_path):
    client = keyed(api_keys=ENVIRONMENT)
    text, _ = store.create("x")
    unknown, _ = store.create("y")
    assert ask(client, text).status_code == 200
    (tmp_path / "keys.db").rename(tmp_path / "away.db")
    (tmp_path / "keys.db").mkdir()  # whatever opens it now fails
    directory = client.app.state.access.directory
    clock, ahead = directory._clock, 6.0
    directory._clock = lambda: clock() + ahead
    assert ask(client, text).status_code == 200
    reply = ask(client, unknown)
    refused(reply, 503, "database-down")
    assert reply.headers["retry-after"] == "1"
    assert ask(client, ENVIRONMENT.split(",")[0]).status_code == 200
    ready = client.get("/ready")
    assert ready.status_code == 200 and "keys" in ready.text
    ahead = 70.0
    refused(ask(client, text), 503, "database-down")
    (tmp_path / "keys.db").rmdir()
    (tmp_path / "away.db").rename(tmp_path / "keys.db")
    until = time.monotonic() + 30  # the breaker waits by a clock of its own, for a second or two
    while ask(client, text).status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert ask(client, unknown).status_code == 200


def test_a_fault_of_the_gate_is_a_problem_and_lets_nobody_in(keyed, store):
    client = keyed()
    client.app.state.access.directory.find = None
    refused(ask(client, store.create("x")[0]), 500, "internal")


def rows(client, url):
    client.app.state.access.audit.stop()
    return list(AuditStore(Database(url)).newest())


def test_the_audit_log(keyed, store, url):
    began = datetime.now(UTC)
    client = keyed()
    text, made = store.create("a perfumer")
    first = ask(client, text)
    client.get("/v1/molecules/CCO/image", headers={"X-API-Key": text})
    client.get("/v1/nothing/CCO", headers={"X-API-Key": text})
    for _ in range(3):
        client.get("/v1/admin/CCO", headers={"X-API-Key": text})
    ask(client)
    client.get("/health")
    found = rows(client, url)
    assert sorted((row.method, row.route, row.status, row.times) for row in found) == [
        ("GET", "/v1/*", 404, 1),
        ("GET", "/v1/admin/*", 403, 3),
        ("GET", "/v1/molecules/{smiles:path}/image", 200, 1),
        ("POST", "/v1/*", 401, 1),
        ("POST", "/v1/predict", 200, 1),
    ]
    row = next(row for row in found if row.route == "/v1/predict")
    assert (row.key_id, row.name, row.address) == (made.id, "a perfumer", "testclient")
    assert row.request_id == first.headers["x-request-id"]
    assert began <= row.at <= datetime.now(UTC)
    assert next(row for row in found if row.status == 401).key_id is None
    assert "CCO" not in str(found) and text not in str(found)
    assert store.find(made.id).last_used == max(row.at for row in found if row.status in (200, 404))


JSON_LINES = {"Content-Type": "application/x-ndjson"}


def asked_of_all_routes(client, key):
    headers = {"X-API-Key": key}
    client.post("/v1/predict", json={"smiles": ["CCO", "C1CC", "CC"]}, headers=headers)
    tensor = {"name": "smiles", "datatype": "BYTES", "shape": [2], "data": ["CCO", "CCCO"]}
    client.post("/v2/models/made-up/infer", json={"inputs": [tensor]}, headers=headers)
    client.get("/v1/molecules/OCC/image", headers=headers)
    lines = b'"CO"\n' * 70
    client.post("/v1/predict/stream", content=lines, headers={**headers, **JSON_LINES})


def test_the_audit_log_counts_molecules_and_does_not_name_them(keyed, store, url):
    client = keyed()
    asked_of_all_routes(client, store.create("x")[0])
    found = rows(client, url)
    assert sorted(row.items for row in found) == [1, 2, 3, 70]
    assert {row.status for row in found} == {200} and {row.molecules for row in found} == {None}


def test_the_audit_log_names_molecules_when_told_to(keyed, store, url):
    client = keyed(audit_molecules=True)
    asked_of_all_routes(client, store.create("x")[0])
    found = {row.items: row.molecules for row in rows(client, url)}
    assert found == {1: ("OCC",), 2: ("CCO", "CCCO"), 3: ("CCO", "C1CC", "CC"), 70: ("CO",) * 70}


def test_a_long_stream_pays_for_more_than_one_request(keyed, store):
    client = keyed(max_items=100, rate_limit_per_minute=7)
    for lines, paid in ((1, 1), (100, 1), (101, 2), (350, 4)):
        headers = {"X-API-Key": store.create("x")[0]}
        reply = client.post("/v1/predict/stream", content=b'"CO"\n' * lines, headers=headers | JSON_LINES)
        assert len(reply.text.splitlines()) == lines
        field = client.get("/v1/words", headers=headers).headers["ratelimit"]
        assert field.startswith(f'"default";r={7 - paid - 1};')


def test_without_required_keys_there_is_no_audit_log(keyed):
    assert keyed(api_key_required=False).app.state.access.audit is None
