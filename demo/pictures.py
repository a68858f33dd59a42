"""Where the page finds the test images, and the cards that show them."""

from dataclasses import dataclass

from bench.suggest import printable
from demo.library import Shelf
from demo.retrieved import Neighbor, Retrieved
from demo.view import View, write_address

SMALL = 96  # pictures of fewer pixels a side are enlarged with hard edges


@dataclass(frozen=True)
class Picture:
    """An image of `height` x `width` pixels at `address`.

    The element around it has its `key` in its name, so another picture is another element. In the
    same element a browser would show the old picture, under the new frame and name, until the new
    one arrives.
    """

    address: str
    key: str
    height: int
    width: int

    @property
    def crisp(self) -> bool:
        """Whether it is enlarged with hard edges."""
        return max(self.height, self.width) < SMALL


@dataclass(frozen=True)
class Card:
    """A neighbor with its picture; `address` makes it the query, and is empty where it cannot."""

    neighbor: Neighbor
    picture: Picture
    address: str


@dataclass(frozen=True)
class Tile:
    """An image without right or wrong; `address` is empty where it cannot be a query."""

    position: int
    class_name: str
    picture: Picture
    address: str


def picture(shelf: Shelf, position: int) -> Picture:
    """The test image at a position."""
    key = f"{shelf.number}-{position}"
    return Picture(picture_address(shelf, position), key, *shelf.pictures.size)


def picture_address(shelf: Shelf, position: int) -> str:
    """Address of an image of a shelf, relative to the page."""
    return f"picture/{shelf.number}/{shelf.picture_digest}/{position}"


def card(shelf: Shelf, view: View, neighbor: Neighbor) -> Card:
    """A neighbor's card, which leads to its own neighbors."""
    address = write_address(view, query=neighbor.position) if neighbor.is_query else ""
    return Card(neighbor, picture(shelf, neighbor.position), address)


def tile(shelf: Shelf, retrieved: Retrieved, view: View, position: int, **changes: object) -> Tile:
    """An image that leads to itself as the query, after further changes of the view."""
    is_query = position < len(retrieved.hits)
    return Tile(
        position,
        class_of(retrieved, position),
        picture(shelf, position),
        write_address(view, query=position, **changes) if is_query else "",
    )


def class_of(retrieved: Retrieved, position: int) -> str:
    """The name of an image's class."""
    pictures = retrieved.pictures
    return printable(pictures.class_names[int(pictures.labels[position])])
