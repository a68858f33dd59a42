"""Open the retrieval browser over stored results: python -m demo [--results FOLDER]"""

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from demo.library import Library, open_library

# Read by Gradio, its HTTP client and its hub client when they are imported.
OFFLINE = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


def main() -> int:
    """Serve until Ctrl-C; 1 and one message if there is nothing to show or the port is taken."""
    arguments = parse()
    try:
        library = open_library(arguments.results)
        serve(library, arguments.port, not arguments.no_open)
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ValueError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m demo", description="Open the retrieval browser over stored results."
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=Path(os.environ.get("PROXY_BENCH_RESULTS", "results")),
        help="folder of results (default: results)",
    )
    parser.add_argument("--port", type=port, default=7860, help="port to serve on (default: 7860)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser window")
    return parser.parse_args()


def port(text: str) -> int:
    """A port that an ordinary user may serve on."""
    if not (text.isdecimal() and 1024 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; choose one from 1024 to 65535")
    return int(text)


def serve(library: Library, port: int, open_browser: bool) -> None:
    """Print what is shown and where, and serve it until Ctrl-C or a request to end."""
    os.environ.update(OFFLINE)
    stay_local()
    for problem in library.problems:
        print(f"demo: left out: {problem}", file=sys.stderr)
    from demo.app import build, launch, notice

    print(notice(library) or f"Results in {library.results}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    blocks = build(library)
    try:
        address = launch(blocks, library, port=port, open_browser=open_browser)
        print(f"Retrieval browser on {address}  (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
    except OSError as error:
        raise OSError(f"port {port} cannot be used; choose another with --port") from error
    finally:
        blocks.close(verbose=False)


def stay_local() -> None:
    """Gradio checks that its own server is up; a proxy in the environment must not answer."""
    for name in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(name)
        os.environ[name] = f"{known},127.0.0.1" if known else "127.0.0.1"


if __name__ == "__main__":
    sys.exit(main())
