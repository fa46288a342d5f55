import pytest
from hypothesis import given
from hypothesis import strategies as st

from olfactory_transformer.api.access.addresses import ClientAddresses


def client(peer, *forwarded, trusted="10.0.0.0/8,fd00::/8"):
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode("latin-1")) for value in forwarded)]
    return ClientAddresses(trusted).of({"client": peer and (peer, 1234), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", [], "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # not a trusted proxy: what it says is worth nothing
        ("10.1.1.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.1.1.1", ["1.1.1.1, 198.51.100.9"], "198.51.100.9"),  # the left one was sent by the client
        ("10.1.1.1", ["1.1.1.1, 198.51.100.9, 10.2.2.2"], "198.51.100.9"),
        ("10.1.1.1", ["1.1.1.1", "198.51.100.9"], "198.51.100.9"),  # several headers are one list
        ("10.1.1.1", ["10.2.2.2,10.3.3.3"], "10.2.2.2"),
        ("10.1.1.1", ["198.51.100.9, unknown"], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.9, "], "10.1.1.1"),
        ("10.1.1.1", ["198.51.100.9:4711"], "198.51.100.9"),
        ("10.1.1.1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("10.1.1.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.1.1.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("fd00::1", ["198.51.100.9"], "198.51.100.9"),
        ("fe80::1%eth0", [], "fe80::1"),
    ],
)
def test_whose_word_is_taken(peer, forwarded, address):

    assert client(peer, *forwarded).address == address


def test_without_trusted_proxies_nothing_is_believed():
    assert client("10.1.1.1", "198.51.100.9", trusted="").address == "10.1.1.1"


def test_what_is_limited_together():
    assert client("192.0.2.1").group == "192.0.2.1"
    assert client("2001:db8:1:2:3:4:5:6").group == client("2001:db8:1:2::9").group == "2001:db8:1:2::/64"
    assert client("2001:db8:1:3::9").group == "2001:db8:1:3::/64"
    assert client("::1").group == "::/64"


@pytest.mark.parametrize("peer", [None, "", "testclient", "/run/socket"])
def test_where_there_is_no_address(peer):
    assert client(peer).address == (peer or "unknown")


def test_a_chain_without_end_is_cut():
    found = client("10.0.0.1", "1.2.3.4, " + "10.0.0.2, " * 10_000 + "10.0.0.3")
    assert found.address.startswith("10.")


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_has_an_answer(text):
    assert client("10.1.1.1", text).address
    assert client("192.0.2.1", text).address == "192.0.2.1"
