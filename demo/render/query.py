"""Query and neighbours as HTML; every text that comes from data is escaped here."""

from html import escape

from demo.browser import Neighbor, Outcome

SMALL = 96  # pictures of fewer pixels a side are enlarged with hard edges
MARKS = {True: ("right", "✓", "same class"), False: ("wrong", "✗", "other class")}


def render_query(outcome: Outcome, neighbors: list[Neighbor], picture: str, note: str) -> str:
    """The query's picture, class and outcome; `note` is one sentence more, or empty."""
    shown = sum(neighbor.hit for neighbor in neighbors)
    words = [f"{shown} of {len(neighbors)} shown are right.", first_hit_words(outcome)]
    extra = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f'<section class="query" aria-label="Query" data-q="{outcome.query}">{picture}<div>'
        f"<h2>Query {outcome.query}: {escape(outcome.class_name)}</h2>"
        f'<p class="item">{escape(outcome.item)}</p>'
        f'<p role="status">{" ".join(words)}</p>'
        f"<p>{score_words(outcome)}</p>{extra}</div></section>"
    )


def first_hit_words(outcome: Outcome) -> str:
    if outcome.relevant == 0:
        return f"No {outcome.searched} has its class."
    if outcome.first_hit == 0:
        return "No right one was found at all."
    return f"The first right one is at rank {outcome.first_hit}."


def score_words(outcome: Outcome) -> str:
    """R@1 and AP@R of this query; it has none if nothing is relevant."""
    if outcome.relevant == 0:
        return "It counts in no score."
    first = "yes" if outcome.right_at_1 else "no"
    return (
        f"Right at rank 1: <b>{first}</b>. AP@R <b>{outcome.average_precision:.3f}</b> "
        f"(R = {outcome.relevant}, the {outcome.searched.replace('image', 'images')} of its class)."
    )


def render_neighbors(query: int, neighbors: list[Neighbor], pictures: list[str]) -> str:
    """One button per neighbour, best first; `pictures` are their pictures as HTML."""
    cards = "".join(
        f"<li>{render_neighbor(neighbor, picture)}</li>"
        for neighbor, picture in zip(neighbors, pictures, strict=True)
    )
    pressed = any(neighbor.is_query for neighbor in neighbors)
    invitation = " Press a picture to make it the query." if pressed else ""
    return (
        f'<ol class="hits" data-q="{query}" aria-label="Nearest neighbours, best first">{cards}'
        '</ol><p class="legend"><span class="mark right" aria-hidden="true">✓</span> solid frame: '
        'same class. <span class="mark wrong" aria-hidden="true">✗</span> dashed frame: other '
        "class. The number under the name is the cosine similarity; the search was exact."
        f"{invitation}</p>"
    )


def render_neighbor(neighbor: Neighbor, picture: str) -> str:
    """A neighbour as a button, or as a mere group where it cannot be made the query."""
    kind, sign, words = MARKS[neighbor.hit]
    name = escape(neighbor.class_name)
    spoken = f"Rank {neighbor.rank}, {words}: {name}, similarity {neighbor.similarity:.3f}"
    tag, role, invitation = (
        ("button", 'type="button"', ". Make it the query")
        if neighbor.is_query
        else ("div", 'role="group"', "")
    )
    return (
        f'<{tag} {role} class="hit {kind}" data-id="{neighbor.position}" '
        f'data-rank="{neighbor.rank}" data-ok="{int(neighbor.hit)}" '
        f'aria-label="{spoken}{invitation}" title="{name}">'
        f'<span class="top"><span class="rank">{neighbor.rank}</span>'
        f'<span class="mark {kind}" aria-hidden="true">{sign}</span></span>{picture}'
        f'<span class="verdict">{words}</span><span class="name">{name}</span>'
        f'<span class="similarity">{neighbor.similarity:.3f}</span></{tag}>'
    )


def render_picture(address: str, key: str, size: tuple[int, int], text: str) -> str:
    """An image of `size` (height, width) pixels at `address`; `text` is read where it is not seen.

    The element around it is named after the picture (`key`): then another picture is another
    element. Inside the same one a browser goes on painting the old picture, under the new frame
    and name, until the new one has arrived.
    """
    crisp = ' class="crisp"' if max(size) < SMALL else ""
    height, width = size
    return (
        f'<p-{key}><img src="{escape(address)}" alt="{escape(text)}" width="{width}" '
        f'height="{height}"{crisp}></p-{key}>'
    )


def render_message(text: str, kind: str) -> str:
    """A paragraph for what cannot be shown; kind: "notice" or "problem"."""
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def render_head(notice: str, problems: tuple[str, ...]) -> str:
    """The page's title, what to know about these results, and which runs are left out."""
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    left_out = f"{len(problems)} run{'s' if len(problems) > 1 else ''} left out, not readable"
    details = (
        f'<details class="problem"><summary>{left_out}</summary><ul>{items}</ul></details>'
        if problems
        else ""
    )
    return f"<h1>Retrieval browser</h1>{render_message(notice, 'notice')}{details}"
