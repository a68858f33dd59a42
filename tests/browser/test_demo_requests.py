"""Which requests the retrieval browser answers, sent to a served demo as raw HTTP."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.page import draw
from tests.browser.conftest import Served, free_port, serve
from tests.support.fabricated import write_results

pytestmark = pytest.mark.browser
REBOUND = (
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "evil-localhost",
    "localhost@evil.example",
    "evil.example#localhost",
    "127.0.0.1:80@evil.example",
    "[::1].evil.example",
    "127.0.0.2",
    "0.0.0.0:{port}",
    "192.168.1.7:{port}",
    "[::ffff:127.0.0.1]",
    "2130706433",
    "localhost.",
    "localhost:x",
    "",
)
OURS = (
    "127.0.0.1",
    "127.0.0.1:{port}",
    "localhost:{port}",
    "LOCALHOST",
    "[::1]:{port}",
    "localhost:8000",
)
CLOSED = (
    ("POST", "/gradio_api/upload"),
    ("POST", "/gradio_api/upload?upload_id=x"),
    ("GET", "/gradio_api/upload_progress?upload_id=x"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/file/etc/passwd"),
    ("GET", "/gradio_api/proxy=http://127.0.0.1/"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/openapi.json"),
    ("GET", "/gradio_api/heartbeat/x"),
    ("GET", "/gradio_api/stream/x/1/2/playlist.m3u8"),
    ("POST", "/gradio_api/stream/x"),
    ("POST", "/gradio_api/run/predict/../load"),
    ("POST", "/gradio_api/run/load"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("POST", "/gradio_api/call/predict"),
    ("POST", "/gradio_api/process_recording"),
    ("POST", "/gradio_api/vibe-edit"),
    ("POST", "/gradio_api/cancel"),
    ("GET", "/config"),
    ("GET", "/monitoring"),
    ("GET", "/docs"),
    ("POST", "/login"),
    ("POST", "/assets/../gradio_api/upload"),
    ("PUT", "/"),
    ("OPTIONS", "/"),
    ("GET", "//gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/queue/data/../../file=/etc/passwd"),
)


def send(served: Served, text: str) -> tuple[int, str]:
    """Status, and the whole answer, of a request given as its lines."""
    host, port = served.address.removeprefix("http://").rstrip("/").split(":")
    text = text.replace("{port}", port).replace("\n", "\r\n")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(text.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        head = f"{answer.status}\n{answer.headers}"
        return answer.status, head + answer.read(200_000).decode("latin-1")


def post(served: Served, body: str) -> int:
    """Status of the answer to an event."""
    head = "Host: 127.0.0.1:{port}\nContent-Type: application/json\n"
    head += f"Content-Length: {len(body.encode())}\nConnection: close\n\n"
    return send(served, f"POST /gradio_api/run/predict HTTP/1.1\n{head}{body}")[0]


def picture(served: Served) -> str:
    """Path of a picture."""
    paths: list[str] = re.findall(r'src="([^"]+)"', draw(served.library, {"tab": "explore"}))
    return f"/{paths[0]}"


@pytest.mark.parametrize("host", REBOUND)
def test_a_forged_name_gets_nothing(served: Served, host: str) -> None:
    for path in ("/", picture(served), "/theme.css", "/gradio_api/queue/data?session_hash=x"):
        request = f"GET {path} HTTP/1.1\nHost: {host}\nOrigin: http://{host}\nConnection: close\n\n"
        status, answer = send(served, request)
        assert status in (400, 403)
        assert "access-control" not in answer.lower()
        assert len(answer) < 700


@pytest.mark.parametrize("host", OURS)
def test_its_own_names_are_answered_at_any_port(served: Served, host: str) -> None:
    for path in ("/", picture(served)):
        for origin in ("", f"Origin: http://{host}\n"):
            request = f"GET {path} HTTP/1.1\nHost: {host}\n{origin}Connection: close\n\n"
            assert send(served, request)[0] == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://localhost:3000", "http://127.0.0.1", "", "http://["],
)
def test_a_page_from_elsewhere_gets_nothing(served: Served, origin: str) -> None:
    ours = "Host: 127.0.0.1:{port}\n"
    ask = "Access-Control-Request-Method: POST\n"
    for line, more in (("GET /", ""), ("POST /gradio_api/run/predict", ""), ("OPTIONS /", ask)):
        request = f"{line} HTTP/1.1\n{ours}Origin: {origin}\n{more}Content-Length: 0\n\n"
        status, answer = send(served, request)
        assert status == 403
        assert "access-control" not in answer.lower()


@pytest.mark.parametrize(
    "lines",
    [
        "GET / HTTP/1.0\n",
        "GET / HTTP/1.1\nHost: 127.0.0.1\nHost: evil.example\n",
        "GET http://evil.example/ HTTP/1.1\nHost: 127.0.0.1\n",
        "GET http://127.0.0.1/config HTTP/1.1\nHost: evil.example\n",
        "GET / HTTP/1.1\nHost: evil.example\nX-Forwarded-Host: 127.0.0.1\n",
        "GET / HTTP/1.1\nHost: evil.example\nUpgrade: websocket\nConnection: Upgrade\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\nSec-WebSocket-Version: 13\n",
    ],
)
def test_odd_requests_are_refused(served: Served, lines: str) -> None:
    assert 400 <= send(served, f"{lines}\n")[0] < 500


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_what_the_page_does_not_need_is_closed(served: Served, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\nHost: 127.0.0.1:{{port}}\nContent-Length: 0\n\n"
    assert send(served, request)[0] == 404


@pytest.mark.parametrize("length", ["Content-Length: 300000000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/run/predict"])
def test_a_large_body_is_refused_before_it_is_sent(served: Served, path: str, length: str) -> None:
    request = f"POST {path} HTTP/1.1\nHost: 127.0.0.1:{{port}}\n{length}\n\n"
    assert send(served, request)[0] == (404 if path.endswith("upload") else 413)


FILE = {"path": "http://canary.example/x", "meta": {"_type": "gradio.FileData"}}
FORGED: tuple[object, ...] = (
    {"data": ["", FILE]},
    {"data": [{**FILE, "path": "/etc/passwd"}, 3]},
    {"data": [[[FILE]]]},
    {"data": FILE},
    {"data": None},
    {},
    [],
    3,
)


@pytest.mark.parametrize("event", FORGED)
@pytest.mark.parametrize("number", [0, 4])
def test_a_forged_event_names_no_file_and_no_address(
    served: Served, event: object, number: int
) -> None:
    """Gradio would fetch what an event names as a file, from anywhere."""
    names = {"session_hash": "forged", "fn_index": number}
    body = json.dumps({**event, **names} if isinstance(event, dict) else event)
    for text in (body, body.replace("gradio.", "\\u0067radio."), "[" * 60_000, "\xff"):
        assert post(served, text) == 400
    assert "canary" not in served.log.read_text()


@pytest.mark.parametrize(
    "event",
    [
        {"data": []},
        {"data": [], "fn_index": 999},
        {"data": [], "fn_index": -1},
        {"data": [], "fn_index": "0"},
        {"data": [], "fn_index": False},
        {"data": ["", ""], "fn_index": 0},
    ],
)
def test_an_event_of_no_handler_is_refused_without_a_traceback(
    served: Served, event: object
) -> None:
    assert post(served, json.dumps(event)) == 400
    assert "Traceback" not in served.log.read_text()


@pytest.mark.parametrize("address", ["", "?", "?q=1e999&k=-3", "?q=NaN&ds=x&run=y&tab=z", 7, None])
def test_an_event_of_the_page_is_answered_whatever_its_values(
    served: Served, address: object
) -> None:
    _, page = send(served, "GET / HTTP/1.1\nHost: 127.0.0.1:{port}\nConnection: close\n\n")
    config, _ = json.JSONDecoder().raw_decode(page.split("window.gradio_config = ")[1])
    (handler,) = [d["id"] for d in config["dependencies"] if d["targets"][0][1] == "nav"]
    for data in ({"address": address}, address, [address]):
        body = {"data": [], "event_data": data, "fn_index": handler, "session_hash": "test"}
        assert post(served, json.dumps(body)) == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_temporary_files_end_with_the_server(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an upload was put there by force."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # other servers have folders in the usual one
    demo = serve(write_results(tmp_path / "results", ("digits",)), tmp_path / "log", free_port())
    (folder,) = tmp_path.glob("proxy-bench-demo-*")
    (folder / "upload").write_bytes(b"left")
    demo.process.send_signal(number)
    demo.process.communicate(timeout=30)
    assert demo.process.returncode == 0
    assert not folder.exists()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shared")
    results = write_results(folder / "results", ("digits",))
    demo = serve(results, folder / "log", free_port(), "--host", "0.0.0.0")
    yield demo
    demo.stop()


def test_sharing_says_what_it_opens(shared: Served) -> None:
    assert "without a password" in shared.printed
    assert "ssh -L" in shared.printed


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((name, 200) for name in ("192.168.1.7", "[fe80::1]", socket.gethostname(), "localhost")),
        *((name, 403) for name in ("evil.example", "192.168.1.7.evil.example", "1.1", "")),
    ],
)
def test_a_shared_page_answers_to_addresses_and_its_machine(
    shared: Served, host: str, status: int
) -> None:
    assert send(shared, f"GET / HTTP/1.1\nHost: {host}\nConnection: close\n\n")[0] == status


@pytest.mark.parametrize("host", ["no-such-name.invalid", "203.0.113.9"])
def test_a_host_that_is_not_this_machine_is_one_clear_message(served: Served, host: str) -> None:
    command = [sys.executable, "-m", "demo", "--no-open", "--port", str(free_port())]
    command += ["--host", host, "--results", str(served.library.results)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"demo: {host!r} is not a name or address of this machine; choose another with --host\n"
    )
