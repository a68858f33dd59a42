"""Open the retrieval browser over stored results: proxy-bench demo [--results FOLDER]"""

import argparse
import sys
import threading
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from bench.store.disk import advice
from bench.suggest import printable
from bench.terminal import (
    accept_every_character,
    default_results,
    end_like_ctrl_c,
    plain_console,
    show_late,
    words_of,
)
from demo.library import Library, open_library
from demo.opened import Opened, with_folder
from demo.serving.guard import LOCAL
from demo.serving.server import bind, gradio_environment, page_address, running, sharing_note
from demo.view import address_of

MINUTE = 60  # seconds


def main() -> int:
    """Serve until Ctrl-C, or export; 1 and one message if there is nothing to show, the port is
    taken or the export would overwrite something."""
    accept_every_character()
    arguments = parse()
    run = arguments.run[0] if arguments.run else ""
    try:
        with show_late(plain_console(stderr=True), "reading stored runs") as report:
            library = open_library(arguments.results, report)
        if arguments.export:
            write_export(library, arguments.export, arguments.run)
            return 0
        first = address_of(library, run)
        if arguments.images:
            library, first = with_folder(library, run, arguments.images)
        opened = Opened(arguments.results, library)
        serve(opened, arguments.host, arguments.port, first, not arguments.no_open)
    except KeyboardInterrupt:
        print("\nStopped.")
    except (ValueError, OSError) as error:
        print(printable(f"demo: {words_of(error)}{advice(error)}"), file=sys.stderr)
        return 1
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="proxy-bench demo", description="Open the retrieval browser over stored results."
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=default_results(),
        help="folder of results (default: results)",
    )
    parser.add_argument(
        "--run",
        action="append",
        default=[],
        help="name of the run that is shown first; with --export, a run that is in it",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="PATH",
        help="write pages that open from disk without a server, as a new folder, or a file that "
        "ends in .zip, and serve nothing; of one seed of each method, or of each --run",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="a folder of images without labels, which the network of --run embeds",
    )
    parser.add_argument("--port", type=port, default=7860, help="port to serve on (default: 7860)")
    parser.add_argument(
        "--host",
        default=LOCAL[0],
        help=f"address to serve on (default: {LOCAL[0]}, this machine only); 0.0.0.0 shares the "
        "page with everyone who reaches this machine",
    )
    parser.add_argument("--no-open", action="store_true", help="do not open a browser window")
    arguments = parser.parse_args()
    if arguments.export and arguments.images:
        parser.error("--export does not include --images; leave one of them out")
    if len(arguments.run) > 1 and not arguments.export:
        parser.error("more than one --run needs --export")
    return arguments


def port(text: str) -> int:
    """A port that an ordinary user may serve on."""
    if not (text.isdecimal() and 1024 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; choose one from 1024 to 65535")
    return int(text)


def write_export(library: Library, target: Path, runs: Sequence[str]) -> None:
    """Write an export, and print what is in it."""
    from demo.export.write import export
    from demo.page import notice

    for problem in library.problems:
        print(printable(f"demo: problem: {problem}"), file=sys.stderr)
    end_like_ctrl_c()
    try:
        with show_late(plain_console(stderr=True), "exporting pictures and queries") as report:
            made = export(library, target, runs, report)
    except KeyboardInterrupt:
        print("\nStopped; nothing was written.", file=sys.stderr)
        sys.exit(130)
    if said := notice(library):
        print(printable(said))
    for note in made.notes:
        print(printable(note))
    where = f"written {target}, {made.size / 1e6:.1f} MB in {made.files} files"
    print(printable(f"{where}; open index.html in a browser"))


def serve(opened: Opened, host: str, port: int, first: str, open_browser: bool) -> None:
    """Print what is shown and where, and serve it until Ctrl-C or a request to end; first: the
    query part of the address that is opened."""
    for problem in opened.library.problems:
        print(printable(f"demo: problem: {problem}"), file=sys.stderr)
    end_like_ctrl_c()
    with gradio_environment(), bind(host, port) as listening:
        from demo.app import application, build
        from demo.page import notice

        print(printable(notice(opened.library) or f"Results in {opened.results}"))
        with running(application(build(opened), opened, host), listening):
            if note := sharing_note(host, port):
                print(note)
            address = page_address(host, port) + first
            print(f"Retrieval browser on {address}  (Ctrl-C ends it)", flush=True)
            if open_browser:
                webbrowser.open(address)
            while not threading.Event().wait(MINUTE):
                opened.library.uploads.remove_old()


if __name__ == "__main__":
    sys.exit(main())
