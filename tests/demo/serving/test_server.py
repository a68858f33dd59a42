"""Where the retrieval browser is served, and what sharing it says."""

import socket

import pytest

from demo.serving.guard import host_name, without_gradios
from demo.serving.server import bind, page_address, sharing_note


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:7860/"),
        ("localhost", "http://localhost:7860/"),
        ("0.0.0.0", "http://127.0.0.1:7860/"),
        ("::1", "http://[::1]:7860/"),
        ("::", "http://[::1]:7860/"),
        ("box.example", "http://box.example:7860/"),
    ],
)
def test_the_address_is_one_that_a_browser_here_can_open(host: str, address: str) -> None:
    assert page_address(host, 7860) == address


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_this_machine_alone_is_no_sharing(host: str) -> None:
    assert sharing_note(host, 7860) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "box.example"])
def test_sharing_names_what_it_opens_and_the_tunnel(host: str) -> None:
    note = sharing_note(host, 7860)
    assert "Everyone who reaches this machine on port 7860" in note
    assert "ssh -L 7860:127.0.0.1:7860" in note


@pytest.mark.parametrize("host", ["203.0.113.9", "no-such-name.invalid", "", "[::1]"])
def test_a_host_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(OSError, match="is not a name or address of this machine"):
        bind(host, 0)


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port} cannot be used"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("LocalHost:7860", "localhost"),
        ("[::1]:7860", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1].evil.example", ""),
        ("localhost@evil.example", ""),
        ("evil.example/localhost", ""),
        ("localhost:port", ""),
        ("localhost evil.example", ""),
        ("", ""),
    ],
)
def test_the_name_in_a_host_header_is_read_strictly(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize(
    ("sent", "passed"),
    [
        (b"q=3&page=9&p=2", b"q=3&p=2"),
        (b"%70age=9&deep_link=x", b""),
        (b"page", b""),
        (b"q=%ff&pages=2&=page", b"q=%ff&pages=2&=page"),
    ],
)
def test_parameters_of_gradio_are_ignored(sent: bytes, passed: bytes) -> None:
    assert without_gradios({"type": "http", "query_string": sent})["query_string"] == passed
