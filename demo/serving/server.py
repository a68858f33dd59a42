"""The server: its socket, its address, what sharing it opens, and how it ends."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from demo.serving.guard import EVERYWHERE, LOCAL

# Read by Gradio, its HTTP client and its hub client when they are imported.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
END_SECONDS = 5  # that requests may take after the server has been stopped


@contextmanager
def gradio_environment() -> Iterator[None]:
    """No request of Gradio's to elsewhere, and a folder for its temporary files that is removed in
    the end."""
    with TemporaryDirectory(prefix="proxy-bench-demo-") as folder:
        os.environ.update(OFFLINE | {"GRADIO_TEMP_DIR": folder})
        yield


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on a host's port.

    Raises: OSError with what to do if the port is in use or the host is not of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((address[0], port), family=family)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise OSError(
                f"{host!r} is not a name or address of this machine; choose another with --host"
            ) from error
        raise OSError(f"port {port} cannot be used; choose another with --port") from error


def page_address(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    name = EVERYWHERE.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def sharing_note(host: str, port: int) -> str:
    """What a host opens that others can reach; empty for one that only this machine can."""
    if host in LOCAL or host.startswith("127."):
        return ""
    return (
        f"Everyone who reaches this machine on port {port} can see these pictures and scores, "
        "without a password. To see them from elsewhere yourself, leave --host out and use "
        f"`ssh -L {port}:{LOCAL[0]}:{port} {socket.gethostname()}` there."
    )


@contextmanager
def running(application: Any, listening: socket.socket) -> Iterator[None]:
    """Answer requests from a thread of this process until the block ends."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(application, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(END_SECONDS)
        listening.close()
