"""Which requests the server answers: those to its own name, from its own page, for what it shows.

A web page elsewhere can let its name lead to this machine (DNS rebinding) and would then read the
pictures as its own. Its name is in the `Host` and `Origin` of every such request, so both are
checked, before Gradio sees the request.
"""

import ipaddress
import json
import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo.own.uploads import LARGEST_FILE

LOCAL = ("127.0.0.1", "localhost", "::1")
# Addresses to serve on that stand for all of the machine's, and where its own browser finds it.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
EVENT = "/gradio_api/run/predict"  # where the page sends every event
# What the page loads, and nothing else that Gradio offers: no upload, file, stream or other call.
PAGES = ("/", "/theme.css", "/favicon.ico", "/robots.txt", "/manifest.json")
FOLDERS = ("/assets/", "/static/", "/picture/", "/points/")
# Gradio's own parameters of an address. A `page` that it lacks ends in its error 500.
GRADIOS = (b"page", b"deep_link")
HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::[0-9]{1,5})?", re.ASCII)
# Where the page sends an image of the visitor, and with its address the wish to have it embedded.
ADD, EMBED = "/own/add", "/own/embed"
# What it sends, in bytes; an event is its address and one value.
LARGEST = {EVENT: 64 * 1024, ADD: LARGEST_FILE, EMBED: 0}


# Gradio's page has scripts and styles of its own in it, and makes functions from texts. Whatever
# runs there can load and send nothing elsewhere, and no other page can show it in a frame.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Refusal:
    """An HTTP status and what to do about it."""

    status: int
    message: str


class Guard:
    """ASGI middleware around everything: answers what it refuses, and passes on the rest.

    Arguments: app; names, host names that lead to this server; any_address, whether its numeric
    addresses do as well, which no web page elsewhere can take as its own; values, number of an
    event's handler -> how many values the event has.
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], any_address: bool, values: Mapping[int, int]
    ) -> None:
        self.app, self.names, self.any_address, self.values = app, names, any_address, values

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            found = self.refusal(Headers(scope=scope), scope["method"], scope["path"])
            if found is None and scope["path"] == EVENT:
                body = await Request(scope, receive).body()
                found, receive = event_refusal(body, self.values), again(body, receive)
            answer = PlainTextResponse(found.message, found.status) if found else self.app
            await answer(without_gradios(scope), receive, safely(send))

    def refusal(self, headers: Headers, method: str, path: str) -> Refusal | None:
        """Why a request is refused, or None."""
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self.is_ours(hosts[0]):
            return Refusal(
                403,
                f"The retrieval browser does not answer to the name {', '.join(hosts)!r}, but to "
                f"{', '.join(self.names)}. `--host NAME` serves under another name.",
            )
        if any(page_host(origin) != hosts[0].lower() for origin in origins):
            return Refusal(403, f"Requests from the page {', '.join(origins)!r} are refused.")
        if not is_open(method, path):
            return Refusal(404, "The retrieval browser has no such page.")
        if method == "POST" and not is_small(headers, LARGEST[path]):
            return Refusal(413, f"At most {LARGEST[path]:,} bytes are read here.")
        if path in (ADD, EMBED) and not origins:
            return Refusal(403, "Images are taken from the page of the retrieval browser alone.")
        return None

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` is one of the names, at any port: a tunnel may use another one."""
        name = host_name(host)
        return name in self.names or (self.any_address and is_address(name))


def allowed_names(host: str) -> tuple[tuple[str, ...], bool]:
    """Host names that lead to a server on `host`, and whether any numeric address does as well."""
    if host in LOCAL:
        return LOCAL, False
    if host not in EVERYWHERE:
        return tuple(dict.fromkeys((*LOCAL, host.lower()))), False
    machine = socket.gethostname().lower()
    return tuple(dict.fromkeys((*LOCAL, machine, f"{machine.split('.')[0]}.local"))), True


def page_host(origin: str) -> str:
    """Host and port of an `Origin`; empty for `null` and anything but an address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def host_name(host: str) -> str:
    """The name or address in a `Host`, without port and brackets; empty if it is malformed."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_open(method: str, path: str) -> bool:
    """Whether the page needs this."""
    if method == "POST":
        return path in LARGEST
    return method in ("GET", "HEAD") and (path in PAGES or path.startswith(FOLDERS))


def is_small(headers: Headers, largest: int) -> bool:
    """Whether the body's length is given and at most `largest`."""
    length = headers.get("content-length", "")
    return "transfer-encoding" not in headers and length.isdecimal() and int(length) <= largest


def event_refusal(body: bytes, values: Mapping[int, int]) -> Refusal | None:
    """Refuse an event of no handler, and one with more than plain values.

    Gradio would fetch a file or address in them, and print a traceback for an unknown handler.
    """
    try:
        event = json.loads(body)
        sent, handler = event["data"], event["fn_index"]
        plain = isinstance(sent, list) and not any(isinstance(v, dict | list) for v in sent)
        known = type(handler) is int and values.get(handler) == len(sent)
    except (ValueError, KeyError, TypeError, RecursionError):
        plain = known = False
    if plain and known:
        return None
    return Refusal(400, "An event has a handler of this page and its list of numbers and texts.")


def without_gradios(scope: Scope) -> Scope:
    """`scope`, without parameters that Gradio would read: unknown ones are ignored here."""
    parts = scope["query_string"].split(b"&")
    kept = [part for part in parts if unquote_to_bytes(part.split(b"=")[0]) not in GRADIOS]
    return {**scope, "query_string": b"&".join(kept)}


def safely(send: Send) -> Send:
    """`send`, with the headers of `SAFE` on every answer."""

    async def send_safely(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(SAFE)
        await send(message)

    return send_safely


def again(body: bytes, receive: Receive) -> Receive:
    """`receive` for a request whose body has been read."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again
