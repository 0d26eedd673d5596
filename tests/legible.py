"""Where the words of a figure lie, and which lie over each other."""

from __future__ import annotations

from itertools import combinations

from matplotlib.text import Text

__all__ = ["collisions", "overlapping", "words_of"]


def words_of(figure):
    """The words of each part of a figure, with the boxes that they take."""
    figure.draw_without_rendering()
    inner = [child for axis in figure.axes for child in axis.child_axes]
    seen = set()
    # What lies within another part is found there again.
    for part in filter(lambda axis: axis.get_visible(), [*inner, *figure.axes]):
        beyond = {
            tick.label1
            for side in (part.xaxis, part.yaxis)
            for tick in side.get_major_ticks()
            if not min(side.get_view_interval()) <= tick.get_loc() <= max(side.get_view_interval())
        }
        found = set(part.findobj(Text)) - seen
        seen |= found
        for text in found - beyond:
            if text.get_visible() and text.get_text().strip():
                yield part, text.get_text(), text.get_window_extent()


def collisions(figure):
    """Pairs of words of two parts that lie over each other."""
    return overlapping(list(words_of(figure)))


def overlapping(words):
    return [
        (first, second)
        for (one, first, box), (other, second, beside) in combinations(words, 2)
        if one is not other and box.overlaps(beside)
    ]
