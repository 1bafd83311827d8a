"""Predictions of pictures as one PNG file: each picture beside its most likely classes as bars."""

import bisect
from functools import cache

from src.common.figures import new_figure, write_figure
from src.common.text import cut, printable

MAX_PICTURES = 16  # of one file: more would be too small to read, or the file too large to open
ONE_COLUMN = 4  # pictures, at most; more stand in two columns
CELL = 5.6, 2.4  # inches of a picture with its bars
BAR = "#9ecae1"
FONT_SIZE, TITLE_SIZE = 9, 10  # points
# shares of the panel of bars, and of a cell, that a text may take; small letters are drawn up to a seventh wider
NAME_WIDTH, TITLE_WIDTH = 0.66, 0.86
MIN_CHARACTERS, MAX_CHARACTERS = 8, 120  # of a text
# families with characters of many languages; those that the machine has are asked for what the first one lacks
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
)


def draw_predictions(path, pictures):
    """Write the picture of `prediction_figure(pictures)` to the PNG file `path`. Raises InputError as `write_figure`."""
    write_figure(path, prediction_figure, pictures)


def prediction_figure(pictures):
    """The Figure of predictions, a picture per cell.

    Args:
        pictures: (title, pixels, record) of each: a text, what the network sees as uint8 (S, S, 3), and its classes,
            best first, dicts with `name` and `probability`.
    """
    columns = 1 if len(pictures) <= ONE_COLUMN else 2
    rows = -(-len(pictures) // columns)
    figure = new_figure(columns * CELL[0], rows * CELL[1])
    cells = figure.subfigures(rows, columns, squeeze=False).flat
    for cell, (title, pixels, record) in zip(cells, pictures):
        left, right = cell.subplots(1, 2, width_ratios=(2, 3))
        _show_pixels(left, pixels)
        _show_bars(right, record)
        title = shortened(title, TITLE_SIZE, TITLE_WIDTH * CELL[0])
        cell.suptitle(title, fontsize=TITLE_SIZE, parse_math=False, family=_families())
    return figure


def _show_pixels(axes, pixels):
    """Small pictures keep their pixels; larger ones are made smaller smoothly."""
    axes.imshow(pixels, interpolation="nearest" if len(pixels) < 100 else "antialiased")
    axes.set_axis_off()


def _show_bars(axes, record):
    """A bar per class from the top, its name on it and its probability at the right end."""
    rows, shares = range(len(record)), [each["probability"] for each in record]
    axes.barh(rows, shares, color=BAR, height=0.8)
    for row, each in zip(rows, record):
        name = shortened(each["name"], FONT_SIZE, NAME_WIDTH * CELL[0] * 3 / 5)
        text = {"va": "center", "fontsize": FONT_SIZE, "parse_math": False, "family": _families()}
        axes.text(0.02, row, name, ha="left", **text)
        axes.text(1, row, f"{each['probability']:.4f}", ha="right", **text)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(record) - 0.5, -0.5)
    axes.set_axis_off()


def shortened(text, points, inches):
    """The drawable text, with its middle left out where it is wider than `inches` at a size of `points`."""
    text = cut(drawable(text), MAX_CHARACTERS)
    if _inches(text, points) <= inches:
        return text
    lengths = range(MIN_CHARACTERS, len(text))
    fitting = bisect.bisect(lengths, inches, key=lambda length: _inches(cut(text, length), points))
    return cut(text, lengths[max(fitting - 1, 0)])


def _inches(text, points):
    """Width of a line of text."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=_families(), size=points)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def drawable(text):
    """`text` with what is not printable, or in none of the fonts, written as an escape, as "\\u732b"."""
    known = _characters()
    return "".join(
        c if ord(c) in known else c.encode("unicode_escape", "backslashreplace").decode()
        for c in printable(text)
    )


@cache
def _families():
    """The FAMILIES that the machine has; the first one comes with matplotlib."""
    from matplotlib.font_manager import fontManager

    return [name for name in FAMILIES if name in fontManager.get_font_names()]


@cache
def _characters():
    """Code points that the fonts of `_families` have."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset().union(*(get_font(findfont(name)).get_charmap() for name in _families()))
