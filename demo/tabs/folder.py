"""Folder: a folder of images without labels; nearest images, clusters, near duplicates."""

from dataclasses import replace

from bench.store.runs import StoredRunError
from bench.suggest import printable
from demo.library import Library, number_of
from demo.own.alike import ALIKE, MOST_CLUSTERS, clusters, near_duplicates, neighbors
from demo.own.folder import NUMBER, Folder
from demo.pages import paged
from demo.pictures import Picture, Tile
from demo.render import render
from demo.view import View, write_address

FIRST = 8  # images of each cluster in the list of all


def show(library: Library, view: View) -> str:
    """The chosen image with its neighbors, and all clusters with the near duplicates, or one."""
    folder = library.folder
    if folder is None:
        raise StoredRunError(
            "No folder is open: `proxy-bench demo --images FOLDER --run RUN` embeds the images of "
            "a folder by the network of a run, and shows them here"
        )
    groups, count = clusters(folder), len(folder.pictures)
    view = replace(
        view,
        mine=min(view.mine, count - 1),
        cluster=view.cluster if view.cluster < len(groups) else -1,
    )
    pairs = near_duplicates(folder)
    pages = paged(len(pairs) if view.cluster < 0 else len(groups[view.cluster]), view)
    part = slice(pages.first, pages.end)
    return render(
        "folder.html",
        place=printable(folder.place),
        run=printable(folder.run),
        count=count,
        steps=[
            (words, key, write_address(view, mine=(view.mine + step) % count))
            for words, key, step in (("Previous", "[", -1), ("Next", "]", 1))
        ],
        own=tile_of(folder, view, view.mine),
        cards=cards(folder, view),
        clusters=listed(folder, view, part),
        count_of_clusters=len(groups),
        most_clusters=MOST_CLUSTERS,
        chosen=view.cluster >= 0,
        every=write_address(view, cluster=-1, page=1),
        pages=pages,
        alike=ALIKE,
        pairs=[
            (tile_of(folder, view, first), tile_of(folder, view, second), cosine)
            for first, second, cosine in pairs[part]
        ],
    )


def tile_of(folder: Folder, view: View, position: int) -> Tile:
    """An image with its name; it leads to its own neighbors."""
    address = f"picture/{NUMBER}/{number_of(folder.pictures)}/{position}"
    picture = Picture(address, f"{NUMBER}-{position}", *folder.pictures.size)
    name = printable(folder.pictures.items[position])
    return Tile(position, name, picture, write_address(view, mine=position))


def cards(folder: Folder, view: View) -> list[tuple[int, Tile, float]]:
    """Rank, image and cosine of each neighbor of the chosen image."""
    positions, cosines = neighbors(folder, view.mine, view.neighbors)
    found = zip(positions.tolist(), cosines.tolist(), strict=True)
    return [(rank, tile_of(folder, view, p), c) for rank, (p, c) in enumerate(found, start=1)]


def listed(folder: Folder, view: View, part: slice) -> list[tuple[str, str, list[Tile]]]:
    """Title, address and images of each cluster, or of the chosen one a part of all its images."""
    found = []
    for number, group in enumerate(clusters(folder)):
        if view.cluster in (-1, number):
            members = group[:FIRST] if view.cluster < 0 else group[part]
            title = f"Cluster {number + 1}: {len(group)} image{'s' if len(group) != 1 else ''}"
            tiles = [tile_of(folder, view, position) for position in members.tolist()]
            found.append((title, write_address(view, cluster=number, page=1), tiles))
    return found
