"""What each tab shows: from a library and a view to HTML, without Gradio."""

from collections.abc import Callable

from demo.library import Library
from demo.tabs import compare, explore, failures, folder, map, own, results, start, time
from demo.view import View

SHOW: dict[str, Callable[[Library, View], str]] = {  # keys as in `demo.view.TABS`
    "start": start.show,
    "explore": explore.show,
    "compare": compare.show,
    "failures": failures.show,
    "map": map.show,
    "time": time.show,
    "results": results.show,
    "own": own.show,
    "folder": folder.show,
}
