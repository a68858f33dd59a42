"""Where the page finds the test images, and the cards that show them."""

from dataclasses import dataclass

from demo.library import Shelf
from demo.retrieved import Neighbor

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


def picture(shelf: Shelf, position: int) -> Picture:
    """The test image at a position."""
    key = f"{shelf.number}-{position}"
    return Picture(picture_address(shelf, position), key, *shelf.pictures.size)


def picture_address(shelf: Shelf, position: int) -> str:
    """Address of an image of a shelf, relative to the page."""
    return f"picture/{shelf.number}/{shelf.picture_digest}/{position}"
