"""Own images in a real Chromium: chosen or pasted, embedded by the stored network of a run."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import Served, free_port, serve
from tests.support.networks import write_run_with_network

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASTE = """
async () => {
  const data = new DataTransfer();
  const canvas = new OffscreenCanvas(20, 30);
  canvas.getContext('2d').fillRect(0, 0, 9, 9);
  data.items.add(new File([await canvas.convertToBlob()], 'image.png', {type: 'image/png'}));
  data.items.add(new File(['no image'], 'text.png', {type: 'image/png'}));
  document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("own")
    write_run_with_network(folder / "results")
    demo = serve(folder / "results", folder / "log", free_port())
    yield demo
    demo.stop()


def test_pasted_images_are_embedded_and_others_are_named(page: Page, served: Served) -> None:
    page.goto(f"{served.address}?tab=own&k=5")
    page.wait_for_selector("[data-upload]")
    text = FilePayload(name="note.png", mimeType="image/png", buffer=b"just text")
    page.locator("input[type=file]").set_input_files([text])
    status = page.locator(".own-status")
    expect(status).to_contain_text("Left out: note.png is not an image file (9 bytes) of JPEG")
    page.evaluate(PASTE)
    expect(page.locator(".hit.unknown")).to_have_count(5, timeout=120_000)  # torch starts
    expect(page.locator("#card h2")).to_have_text("image.png")
    expect(status).to_contain_text("Left out: text.png is not an image file")
    page.reload()
    expect(page.locator(".hit.unknown")).to_have_count(5)
