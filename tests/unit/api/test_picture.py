from urllib.parse import quote

import pytest

from olfactory_transformer.core.errors import CannotDraw
from olfactory_transformer.engine.fake import FakeEngine


def image(client, smiles="CCO", query="", **headers):
    path = f"/v1/molecules/{quote(smiles, safe='')}/image{query}"
    return client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})


def test_svg_that_can_do_nothing(client):
    reply = image(client)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/svg+xml"
    assert "CCO" in reply.text
    assert reply.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"].startswith("private")


@pytest.mark.parametrize(
    ("query", "accept", "media"),
    [
        ("?format=png", "*/*", "image/png"),
        ("?format=svg", "image/png", "image/svg+xml"),
        ("", "image/png", "image/png"),
        ("", "image/png, image/*;q=0.5", "image/svg+xml"),
        ("", "text/html", "image/svg+xml"),
    ],
)
def test_the_form_is_asked_for(client, query, accept, media):
    reply = image(client, query=query, Accept=accept)
    assert reply.headers["content-type"] == media
    assert reply.headers["vary"] == "Accept"
    assert reply.content.startswith(b"\x89PNG" if media == "image/png" else b"<svg")


@pytest.mark.parametrize("smiles", ["C/C=C/C", "C#N", "F/C=C\\F", "[NH4+].[Cl-]"])
def test_any_smiles_fits_in_a_path(client, smiles):
    assert image(client, smiles).status_code == 200


def test_a_word_colours_it(client):
    assert "musk: CCO" in image(client, query="?word=musk").text
    reply = image(client, query="?word=sulphur")
    assert (reply.status_code, reply.json()["code"]) == (422, "unknown-word")


@pytest.mark.parametrize(
    ("smiles", "code"),
    [("C(", "unparsable"), ("<script>", "forbidden-character"), ("", "empty"), ("\x00", None)],
)
def test_what_is_no_molecule_is_a_problem(client, smiles, code):
    reply = image(client, smiles)
    assert reply.status_code == 422
    assert code in (None, reply.json()["code"])


@pytest.mark.parametrize("query", ["?format=gif", "?format="])
def test_a_wrong_query(client, query):
    reply = image(client, query=query)
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid-request")


def test_it_is_sent_once(client):
    tag = image(client).headers["etag"]
    again = image(client, If_None_Match=tag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    others = [image(client, "CCC"), image(client, query="?format=png"), image(client, query="?word=musk")]
    assert len({tag, *(reply.headers["etag"] for reply in others)}) == 4
    assert image(client, "CCC", If_None_Match=tag).status_code == 200


def test_another_model_is_another_picture(started):
    engine = FakeEngine()
    client = started(engine)
    tag = image(client, query="?word=musk").headers["etag"]
    client.portal.call(engine.reload, "other")
    assert image(client, query="?word=musk", If_None_Match=tag).status_code == 200


def test_a_machine_that_cannot_draw(started):
    reply = image(started(FakeEngine(raises=CannotDraw("libXrender"))))
    assert (reply.status_code, reply.json()["code"]) == (501, "cannot-draw")
