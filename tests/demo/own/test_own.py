"""Own images: what is taken, how it is prepared and embedded, and what is found nearest."""

import io
import re
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from types import SimpleNamespace
from unittest.mock import Mock
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from bench.cli.networks import embed_pixels
from bench.store.model_header import ModelHeader
from bench.store.runs import Run, save_arrays, save_run
from bench.store.thumbnails import encode
from demo.app import application
from demo.library import Library, open_library
from demo.nearest import nearest
from demo.opened import Opened
from demo.own import routes as own_routes
from demo.own import uploads
from demo.own.embedding import embed, network_input, preparation
from demo.own.routes import BUSY, MOST_EMBEDDING, embed_for
from demo.own.uploads import MOST, Uploads
from demo.page import draw
from demo.retrieved import open_run
from demo.serving.guard import Guard
from demo.tabs.own import what_is_missing
from demo.view import View, read_address
from tests.support.fabricated import make_pictures, make_spec, owner
from tests.support.networks import write_run_with_network

OURS = {"host": "localhost", "origin": "http://localhost"}
ADD = "/own/add"


@pytest.fixture
def client(library: Library, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """The routes behind the guard; the network runs in this process."""
    monkeypatch.setattr(own_routes, "embed", embed_here)
    guard = Middleware(Guard, names=("localhost",), any_address=False, values={})
    app = Starlette(
        routes=own_routes.own_routes(library.uploads, lambda: library), middleware=[guard]
    )
    return TestClient(app, base_url="http://localhost", headers=OURS)


def embed_here(run: Run, pixels: list[np.ndarray]) -> np.ndarray:
    """What the process of the network answers."""
    sent, answer = io.BytesIO(), io.BytesIO()
    np.save(sent, np.stack(pixels))
    sent.seek(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["embed_pixels", str(run.files.model)])
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=sent))
        patch.setattr(sys, "stdout", SimpleNamespace(buffer=answer))
        assert embed_pixels.main() == 0
    answer.seek(0)
    vectors: np.ndarray = np.load(answer)
    return vectors


def png(width: int, height: int) -> bytes:
    return encode(np.full((height, width, 3), 255, np.uint8), "PNG")


def claiming(width: int, height: int) -> bytes:
    """A small PNG file whose header says another size."""
    data = png(8, 8)
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


def upload(client: TestClient, *images: bytes) -> str:
    own = ""
    for number, data in enumerate(images):
        names = {"own": own, "name": f"C:\\folder\\{number}.png"}
        answer = client.post(ADD, params=names, content=data)
        own = answer.json()["own"]
    return own


def shown(client: TestClient, library: Library, own: str, mine: int = 0) -> str:
    address = {"tab": "own", "k": "7", "own": own, "mine": str(mine)}
    assert client.post("/own/embed", params=address).json() == {"own": own}
    return draw(library, address)


def test_a_test_image_finds_itself_and_the_order_of_the_store(
    client: TestClient, library: Library
) -> None:
    images = make_pictures().files["images"]
    own = upload(client, *(encode(images[position], "PNG") for position in (3, 30)))
    for mine, position in enumerate((3, 30)):
        page = shown(client, library, own, mine)
        cards = [int(n) for n in re.findall(r'class="hit unknown" data-id="(\d+)"', page)]
        vectors = library.shelves[0].runs[0].embeddings["embeddings"].astype(np.float64)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        assert cards == np.argsort(-(unit @ unit[position]), kind="stable")[:7].tolist()
        assert cards[0] == position
        assert re.findall(r'"similarity">([\d.]+)<', page)[0] == "1.000"
        assert f"<h2>{mine}.png</h2>" in page  # without the visitor's folders
    assert "hit right" not in page
    assert "hit wrong" not in page
    assert "data-ok" not in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"just text", "a.png is not an image file (9 bytes) of JPEG, PNG, BMP"),
        (b"", "a.png is empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a.png is not an image file"),
        (png(300, 9)[:80], "a.png is damaged and cannot be decoded"),
        (claiming(12_000, 12_000), "a.png has more than the 25,000,000 pixels that are decoded"),
        (claiming(5_001, 5_000), "a.png is 5001x5000 pixels, more than the 25,000,000 that are"),
    ],
)
def test_what_is_no_image_is_one_sentence_without_paths(
    client: TestClient, library: Library, data: bytes, words: str
) -> None:
    answer = client.post(ADD, params={"name": "../../a.png"}, content=data)
    (problem,) = answer.json().values()
    assert problem.startswith(words)
    assert "/" not in problem
    assert "\n" not in problem
    assert not library.uploads._kept


def test_limits_of_bytes_and_images_hold(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = png(8, 8)
    headers = {"content-length": str(uploads.LARGEST_FILE + 1)}
    assert client.post(ADD, content=tiny, headers=headers).status_code == 413
    own = upload(client, *[tiny] * MOST)
    answer = client.post(ADD, params={"own": own, "name": "b.png"}, content=tiny)
    assert answer.json() == {"problem": f"b.png was left out: at most {MOST} images at a time"}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {**OURS, "origin": "http://evil.example"},
        {**OURS, "origin": "null"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
@pytest.mark.parametrize("path", [ADD, "/own/embed"])
def test_only_the_page_itself_sends_images(
    library: Library, path: str, headers: dict[str, str]
) -> None:
    guard = Middleware(Guard, names=("localhost",), any_address=False, values={})
    app = Starlette(
        routes=own_routes.own_routes(library.uploads, lambda: library), middleware=[guard]
    )
    answer = TestClient(app).post(path, content=png(8, 8) * (path == ADD), headers=headers)
    assert answer.status_code == 403
    assert not library.uploads._kept


def test_no_more_requests_wait_than_leave_the_page_its_threads(
    client: TestClient, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than may wait is refused at once, and a later one is not."""
    own, begun, go_on = upload(client, png(8, 8)), Barrier(MOST_EMBEDDING + 1), Event()

    def wait(*_: object) -> str:
        begun.wait(20)
        assert go_on.wait(20)
        return own

    monkeypatch.setattr(own_routes, "embed_for", wait)
    with client, ThreadPoolExecutor(MOST_EMBEDDING) as pool:
        waiting = [
            pool.submit(client.post, "/own/embed", params={"own": own})
            for _ in range(MOST_EMBEDDING)
        ]
        begun.wait(20)
        refused = client.post("/own/embed", params={"own": own})
        assert (refused.status_code, refused.text) == (503, BUSY)
        assert client.post(ADD, params={"name": "b.png"}, content=png(8, 8)).status_code == 200
        go_on.set()
        assert [answer.result().status_code for answer in waiting] == [200] * MOST_EMBEDDING
        monkeypatch.setattr(own_routes, "embed_for", lambda *_: own)
        assert client.post("/own/embed", params={"own": own}).json() == {"own": own}


@pytest.mark.parametrize("own", ["", "0" * 24, "../../etc", "<b>"])
def test_an_upload_that_is_gone_is_said(client: TestClient, library: Library, own: str) -> None:
    answer = client.post("/own/embed", params={"own": own})
    assert answer.json() == {"problem": "These images are no longer here; upload them again"}
    assert ("no longer here" in draw(library, {"tab": "own", "own": own})) == (own == "0" * 24)


def test_uploads_end_after_their_time_and_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, now, tiny = Uploads(), [0.0], png(8, 8)
    monkeypatch.setattr(uploads, "time", SimpleNamespace(monotonic=lambda: now[0]))
    first = kept.add("", "a", tiny)
    now[0] = 3599
    kept.remove_old()
    assert kept.find(first)
    second = kept.add("", "b", tiny)
    now[0] = 3601
    kept.remove_old()
    assert kept.find(first) is None
    assert kept.find(second)
    monkeypatch.setattr(uploads, "LARGEST", len(tiny))
    third = kept.add("", "c", tiny)
    assert kept.find(second) is None
    assert kept.find(third)


def test_uploads_are_bounded_in_number_and_with_their_embeddings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, tiny = Uploads(), png(8, 8)
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 2)
    first, second, third = (kept.add("", name, tiny) for name in "abc")
    assert [bool(kept.find(own)) for own in (first, second, third)] == [False, True, True]
    found = uploads.Embedded(np.zeros((1, 8, 8), np.uint8), np.zeros((1, 4), np.float32))
    for run in range(uploads.MOST_RUNS + 1):
        kept.keep(third, str(run), found)
    upload = kept.find(third)
    assert upload
    assert [*upload.embedded] == [str(run) for run in range(1, uploads.MOST_RUNS + 1)]
    monkeypatch.setattr(uploads, "LARGEST", 2 * len(tiny) + uploads.MOST_RUNS * (64 + 16))
    kept.keep(third, "last", found)
    assert kept.find(second)
    kept.keep(second, "last", found)
    assert kept.find(third) is None


def test_photographs_are_turned_and_cut_as_test_images_are() -> None:
    """EXIF says that the left of this picture is its bottom."""
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, :20] = 255
    exif = Image.Exif()
    exif[0x0112] = 8
    buffer = io.BytesIO()
    Image.fromarray(wide).save(buffer, "PNG", exif=exif)
    image = Uploads().decoded(uploads.OwnImage("a", buffer.getvalue()))
    assert image.size == (40, 80)
    spec = make_spec("digits", "Proxy-NCA", 0).model_copy(update={"resize": 20, "crop": 16})
    pixels = network_input("a", image, ModelHeader(spec, 16, 3))
    assert pixels.shape == (16, 16, 3)
    assert not pixels.any()  # the white end was cut off
    assert preparation(ModelHeader(spec, 16, 3)) == (
        "resized to a shorter side of 20 pixels and cut to the middle 16x16"
    )


@pytest.mark.parametrize(("channels", "shape"), [(1, (8, 8)), (3, (8, 8, 3))])
def test_small_networks_get_the_middle_square(channels: int, shape: tuple[int, ...]) -> None:
    header = ModelHeader(make_spec("digits", "Proxy-NCA", 0), 8, channels)
    image = Image.new("RGB", (64, 32), "blue")
    image.paste("white", (12, 0, 52, 32))
    pixels = network_input("a", image, header)
    assert pixels.shape == shape
    assert (pixels == 255).all()


def test_equal_vectors_come_in_the_order_of_the_gallery() -> None:
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(500, 8)).astype(np.float32)
    vectors[[400, 20, 300]] = vectors[7] * np.float32(2)
    own = vectors[7] + np.float32(0.01)
    positions, cosines = nearest(vectors, own, 9)
    doubles = vectors.astype(np.float64)
    plain = doubles @ own / np.linalg.norm(doubles, axis=1) / np.linalg.norm(own)
    assert positions[:4].tolist() == [7, 20, 300, 400]
    np.testing.assert_allclose(cosines, np.sort(plain)[::-1][:9], atol=1e-12)
    assert len(nearest(vectors[:3], own, 9)[0]) == 3


@pytest.mark.parametrize("file", ["model", "embeddings"])
def test_a_run_without_network_or_embeddings_says_so(tmp_path: Path, file: str) -> None:
    run = write_run_with_network(tmp_path)
    getattr(run.files, file).unlink()
    save_run(run.files, run.record)
    library = open_library(tmp_path)
    missing = what_is_missing(open_run(library.shelves[0], run.name))
    assert {"model": "has no stored network", "embeddings": "has no embeddings"}[file] in missing
    page = draw(library, {"tab": "own"})
    assert "No run of this data set kept both" in page
    assert 'type="file"' not in page
    assert "data-upload" not in page


def test_a_broken_network_is_a_sentence(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["embed_pixels", str(results / "none.safetensors")])
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
        assert embed_pixels.main() == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_run_that_took_the_place_of_another_embeds_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the browser is open: neither its vectors nor its gallery mix with those of before."""
    write_run_with_network(tmp_path)
    opened, networks = Opened(tmp_path, open_library(tmp_path)), list[str]()

    def embed_by(run: Run, pixels: list[np.ndarray]) -> np.ndarray:
        networks.append(run.digest)
        return np.ones((len(pixels), run.embeddings_on_disk.shape[1]), np.float32)

    monkeypatch.setattr(own_routes, "embed", embed_by)
    own = opened.library.uploads.add("", "a.png", png(8, 8))
    address = {"tab": "own", "own": own}
    embed_for(opened.current(), address)
    assert "has not embedded it yet" not in opened.draw(address)
    (before,) = opened.library.shelves[0].runs
    doubled = replace_with_doubled(before)
    assert "has not embedded it yet" in opened.draw(address)
    embed_for(opened.current(), address)
    (after,) = opened.library.shelves[0].runs
    assert networks == [before.digest, after.digest]
    assert np.array_equal(after.embeddings_on_disk, doubled)


def test_the_server_embeds_by_the_runs_as_they_are_now(
    library: Library, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by those that were there at its start."""
    opened, routes = Opened(results, library), Mock(return_value=[])
    monkeypatch.setattr("demo.app.own_routes", routes)
    monkeypatch.setattr("gradio.mount_gradio_app", lambda app, *_, **__: app)
    application(SimpleNamespace(fns={}), opened, "localhost")
    routes.assert_called_once_with(library.uploads, opened.current)


def replace_with_doubled(run: Run) -> np.ndarray:
    """Put another run in the place of one; returns its embeddings, which are twice as long."""
    arrays, files = run.embeddings, run.files
    doubled: np.ndarray = arrays["embeddings"] * 2
    save_arrays(files.embeddings, {**arrays, "embeddings": doubled}, owner(files.path))
    save_run(files, run.record)
    return doubled


def test_a_network_that_is_not_the_stored_one_embeds_nothing(tmp_path: Path) -> None:
    run = write_run_with_network(tmp_path)
    content = bytearray(run.files.model.read_bytes())
    content[-1] ^= 1
    run.files.model.write_bytes(content)
    with pytest.raises(ValueError, match="was changed after the run"):
        embed(run, [np.zeros((8, 8), np.uint8)])


def test_the_address_holds_the_upload(client: TestClient, library: Library) -> None:
    own = upload(client, png(9, 9))
    page = draw(library, {"tab": "own", "own": own})
    assert "This run has not embedded it yet." in page
    (address,) = re.findall(r' data-address="([^"]+)"', page)
    assert dict(parse_qsl(address.replace("&amp;", "&")[1:]))["own"] == own
    assert read_address("?own=x") == {"own": "x"}
    assert View("own", "", "").own == ""
