"""Map: all test images of a run as points, with a query and its true neighbors."""

from dataclasses import replace
from typing import Any

from bench.reporting.projection import NEAREST, counted_text
from bench.suggest import printable
from demo.library import Library, Shelf
from demo.maps import Shown, near_on_map, open_map, run_number, within
from demo.missed import gallery_of
from demo.pictures import Card, card, picture, tile
from demo.render import render
from demo.retrieved import Retrieved, neighbors_of, open_run, outcome
from demo.view import View, write_address

NEAREST_ZOOM = 16
LISTED = 120  # images of a chosen part of the map


def show(library: Library, view: View) -> str:
    """The map, the query's neighbors and how many of them it keeps, and a chosen part of it."""
    shelf, view = library.shelf(view.shelf), replace(view, zoom=min(view.zoom, NEAREST_ZOOM))
    retrieved, shown = open_run(shelf, view.run), open_map(shelf, view.run)
    neighbors = neighbors_of(retrieved, view.query, view.neighbors)
    nearest = {neighbor.position for neighbor in neighbors[:NEAREST]}
    gallery = gallery_of(retrieved)
    cards = [card(shelf, view, neighbor) for neighbor in neighbors]
    return render(
        "map.html",
        canvas=canvas(shelf, view, retrieved, shown, cards),
        map=shown.map,
        run=view.run,
        images=len(retrieved.pictures),
        outcome=outcome(retrieved, view.query),
        word="identity" if retrieved.by_cameras else "class",
        picture=picture(shelf, view.query),
        neighbors=neighbors,
        cards=cards,
        kept=None if gallery is None else len(nearest & near_on_map(shown, view.query, gallery)),
        of=len(nearest),
        nearest=NEAREST,
        counted=counted_text(len(shown.map.points)),
        results=printable(shelf.results),
        chosen=chosen(shelf, view, retrieved, shown) if view.area else None,
        zooms=zooms(view),
        clear=write_address(view, area=""),
    )


def canvas(
    shelf: Shelf, view: View, retrieved: Retrieved, shown: Shown, cards: list[Card]
) -> dict[str, Any]:
    """What the script draws from; see `static/map.js`."""
    return {
        "source": f"points/0/{shelf.number}/{run_number(view.run)}/{shown.points.digest}",
        "pictures": f"picture/{shelf.number}/{shelf.picture_digest}/",
        "count": len(retrieved.pictures),
        "steps": 1,
        "step": 0,
        "key": "q",
        "queries": len(retrieved.hits),
        "query": view.query,
        "rings": " ".join(f"{card.neighbor.position}:{int(card.neighbor.hit)}" for card in cards),
        "area": view.area,
        "scale": view.zoom,
    }


def zooms(view: View) -> list[tuple[str, str, str, str]]:
    """Name, words, key and address of nearer and farther maps; no address at the ends."""
    near, far = min(2 * view.zoom, NEAREST_ZOOM), view.zoom // 2
    return [
        ("nearer", "Nearer", "+", write_address(view, zoom=near) if near > view.zoom else ""),
        ("farther", "Farther", "-", write_address(view, zoom=far) if far else ""),
    ]


def chosen(shelf: Shelf, view: View, retrieved: Retrieved, shown: Shown) -> dict[str, Any]:
    """The images of a part of the map, the first of them as links, and their commonest classes."""
    found = within(shown.points, view.area).tolist()
    labels = retrieved.pictures.labels[found]
    names = retrieved.pictures.class_names
    counts = {int(label): int((labels == label).sum()) for label in set(labels.tolist())}
    common = sorted(counts.items(), key=lambda item: (-item[1], names[item[0]]))
    return {
        "count": len(found),
        "classes": len(counts),
        "common": [(printable(names[label]), count) for label, count in common[:5]],
        "listed": [tile(shelf, retrieved, view, position) for position in found[:LISTED]],
    }
