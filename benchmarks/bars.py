#!/usr/bin/env python
"""The bar chart of docs/performance.md, section 6, drawn from its table: python benchmarks/bars.py [PICTURE].

PICTURE: where to draw it, docs/engine.png if it is not given. expect: a file of less than 150,000 bytes, after a second.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from src.common.errors import InputError  # noqa: E402
from src.common.figures import new_figure, write_figure  # noqa: E402
from src.settings.command_line import run  # noqa: E402

PAGE = ROOT / "docs" / "performance.md"
SECTION = "## 6. "
TITLE = "ms per 224x224 image, one thread, one image at a time"
MACHINE = "Intel Xeon (AVX-512, AMX), 2 cores of a virtual machine, 2026-11-26"
MAX_BAR = 135  # ms of the axis; a longer bar is cut, as its label says
# colours by the network's name, the engine's bars apart; they are told apart in grey as well
COLOURS = {"engine": "#d9480f", "BiMLP-S": "#74a9cf", "": "#bdbdbd"}


def rows(text):
    """(contender, milliseconds as printed) of each row of the section's table, from its first column of numbers.

    Raises InputError where the page `text` has no such table.
    """
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    found = re.findall(r"^\| ([^|]+?) \| ([\d.]+) \[", section, re.MULTILINE)
    if not found:
        raise InputError(
            f'{PAGE}: expected a table of "contender | ms [quartiles] | .." in section {SECTION}'
        )
    return found


def colour_of(name):
    """Colour of a contender's bar."""
    return next(colour for word, colour in COLOURS.items() if word in name)


def bars(found):
    """The Figure of a horizontal bar per row, the quickest on top."""
    found = sorted(found, key=lambda row: float(row[1]))
    figure = new_figure(9, 0.6 + 0.3 * len(found))
    axes = figure.subplots()
    names, values = [name for name, _ in found], [float(number) for _, number in found]
    axes.barh(names, [min(value, MAX_BAR) for value in values], color=[colour_of(name) for name in names])
    for place, (value, (_, number)) in enumerate(zip(values, found)):
        inside = value > MAX_BAR
        words = f"{number} (cut)" if inside else number
        at = {"ha": "right" if inside else "left", "va": "center", "fontsize": 9}
        axes.text(min(value, MAX_BAR) + (-1 if inside else 1), place, words, **at)
    axes.invert_yaxis()
    axes.set_xlim(0, MAX_BAR + 8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{TITLE}\n{MACHINE}", fontsize=10)
    return figure


def main(argv):
    if len(argv) > 1 or argv[:1] == ["--help"]:
        raise InputError("command line: expected at most one PICTURE, got " + " ".join(argv))
    write_figure(argv[0] if argv else ROOT / "docs" / "engine.png", bars, rows(PAGE.read_text()))


if __name__ == "__main__":
    sys.exit(run(main))
