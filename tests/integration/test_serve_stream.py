"""Streams and pictures of the real server, over a real connection."""

import json
import resource
import subprocess
import threading
from pathlib import Path

import httpx2
import pytest
from integration.serving import Server, Stream

from olfactory_transformer.inference.predictor import ScentPredictor

MOLECULES = ["CCO", "COc1cc(C=O)ccc1O", "C1CC", "CC(=O)OCC", "CCCCCCCC=O"]
TYPE = {"Content-Type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def server():
    running = Server(MAX_WORKERS="1").until_ready()
    yield running
    running.kill()


@pytest.fixture
def stream(server):
    opened = Stream(server)
    yield opened
    opened.close()


def test_one_line_at_a_time(stream):
    assert stream.status == 200
    for index, smiles in enumerate(MOLECULES):
        stream.send(json.dumps(smiles).encode() + b"\n")
        (line,) = stream.lines()
        assert line["index"] == index
        assert ("error" in line) == (smiles == "C1CC")
    stream.end()
    assert stream.to_the_end() == []


def test_many_lines_say_what_a_list_says(server, stream):
    texts = [("C" * (1 + n % 60)) + "O" for n in range(500)]
    sender = threading.Thread(
        target=lambda: (stream.send("\n".join(map(json.dumps, texts)).encode()), stream.end())
    )
    sender.start()
    found = stream.to_the_end()
    sender.join()
    assert [line["index"] for line in found] == list(range(500))
    assert [line["prediction"]["smiles"] for line in found] == texts
    listed = httpx2.post(server.url + "/v1/predict", json={"smiles": texts[:20]}, timeout=60).json()[
        "results"
    ]
    for one, other in zip(found, listed, strict=False):
        assert one["prediction"]["words"] == pytest.approx(other["prediction"]["words"], abs=1e-5)


def test_more_than_fits_in_any_buffer(server, stream):
    count, line = 20_000, b'{"smiles": "COc1cc(C=O)ccc1O", "id": "a line of some length"}\n'

    def send():
        for _ in range(count // 100):
            stream.send(line * 100)
        stream.end()

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    before, seen = resident(server), 0
    while more := stream.chunk():
        seen += more.count(b"\n")
    sender.join(30)
    assert seen == count
    assert resident(server) < before + 100 * 2**20  # all answers are 20 MB, as objects several times that


def resident(server):
    return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_the_command_line_of_the_docs(server, tmp_path):
    file = tmp_path / "molecules.jsonl"
    file.write_text("\n".join(map(json.dumps, MOLECULES)))
    command = ["curl", "-sS", "-N", "-T", str(file), "-X", "POST", "-H", "Content-Type: application/x-ndjson"]
    done = subprocess.run([*command, server.url + "/v1/predict/stream"], capture_output=True, check=True)
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 1, 2, 3, 4]


def test_a_client_that_leaves_is_noticed(server, stream):
    stream.send(b'"CCO"\n')
    assert stream.lines()
    stream.close()
    server.logged("/v1/predict/stream 499")
    assert httpx2.get(server.url + "/ready").status_code == 200


@pytest.mark.parametrize("smiles", ["C%2512CC%2512", "C%23N", "C%2FC=C%2FC", "COc1cc(C=O)ccc1O"])
def test_a_picture(server, smiles):
    reply = httpx2.get(f"{server.url}/v1/molecules/{smiles}/image", timeout=60)
    if reply.status_code == 501:
        pytest.skip("RDKit's drawing code does not load here")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
    assert reply.text.startswith("<svg") or "<svg" in reply.text[:200]


def test_a_picture_of_why(server):
    word = ScentPredictor.from_pretrained().config.words[0]
    reply = httpx2.get(f"{server.url}/v1/molecules/CCO/image?word={word}&format=png", timeout=60)
    if reply.status_code == 501:
        pytest.skip("RDKit's drawing code does not load here")
    assert reply.content.startswith(b"\x89PNG")
