#!/usr/bin/env python
"""The picture of the network, its blocks and a binary layer: python scripts/draw_network.py [FOLDER].

Writes network-light.png and network-dark.png, for pages with a light and a dark background, into FOLDER (docs/ if it is
not given). Widths, depths, stem and sizes of maps are those of `bimlp_s` and `bimlp_m` in
src/model/networks/bimlp.py.
expect: two files of less than 150,000 bytes each, after some seconds.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from src.common.errors import InputError  # noqa: E402
from src.common.figures import new_figure, write_figure  # noqa: E402
from src.common.themes import THEMES  # noqa: E402
from src.model.networks.bimlp import VARIANTS  # noqa: E402
from src.settings.command_line import run  # noqa: E402

SIZE = 11.0, 7.2  # inches; one unit of the drawing is 1/100 of the width
DOTS_PER_INCH = 110


class Canvas:
    """Boxes, arrows and texts on axes whose x and y are hundredths of the picture's width, y upwards."""

    def __init__(self, axes, theme):
        self.axes, self.theme = axes, theme

    def text(self, x, y, words, size=9, colour="ink", **settings):
        settings = {"ha": "center", "va": "center", "linespacing": 1.35, **settings}
        self.axes.text(x, y, words, fontsize=size, color=self.theme[colour], **settings)

    def box(self, x, y, width, height, words, kind="full"):
        """A box around the point (x, y). kind: "full" or "bits", the numbers in it."""
        from matplotlib.patches import FancyBboxPatch

        corner = (x - width / 2, y - height / 2)
        style = f"round,pad=0,rounding_size={min(0.8, height / 3)}"
        colours = {"facecolor": self.theme[kind], "edgecolor": self.theme["ink"]}
        self.axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle=style, linewidth=0.9, **colours))
        self.text(x, y, words)

    def sum(self, x, y):
        """A circle with a plus."""
        from matplotlib.patches import Circle

        colours = {"facecolor": self.theme["back"], "edgecolor": self.theme["ink"]}
        self.axes.add_patch(Circle((x, y), 1.3, linewidth=0.9, **colours))
        self.text(x, y, "+", size=11)

    def arrow(self, *points):
        """A line through points (x, y) with a head at the last one."""
        for one, other in zip(points[:-2], points[1:-1]):
            self.axes.plot(*zip(one, other), color=self.theme["ink"], linewidth=0.9, solid_capstyle="round")
        style = {
            "arrowstyle": "-|>",
            "color": self.theme["ink"],
            "linewidth": 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self.axes.annotate("", points[-1], points[-2], arrowprops={**style, "mutation_scale": 9})

    def heading(self, y, title, remark):
        self.text(1, y, title, size=11, weight="bold", ha="left")
        self.text(99, y, remark, size=9, colour="soft", ha="right")


def network_figure(theme):
    """The Figure in one of THEMES."""
    colours = THEMES[theme]
    figure = new_figure(*SIZE, facecolor=colours["back"])
    axes = figure.subplots()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100 * SIZE[1] / SIZE[0])
    axes.set_aspect("equal")
    axes.set_axis_off()
    canvas = Canvas(axes, colours)
    draw_stages(canvas, 55.5)
    draw_block1(canvas, 2, 30)
    draw_block2(canvas, 52, 30)
    draw_layer(canvas, 6)
    return figure


def draw_stages(canvas, y):
    """The way of an image from the stem to the logits."""
    small, medium = VARIANTS["bimlp_s"], VARIANTS["bimlp_m"]
    widths, (kernel, stride, _) = small.options.widths, small.options.stem
    depths = ["-".join(map(str, variant.options.depths)) for variant in (small, medium)]
    canvas.heading(y + 7.5, "The network", f"blocks per stage: BiMLP-S {depths[0]}, BiMLP-M {depths[1]}")
    canvas.text(4, y, f"image\n3 x {small.image_size}\nx {small.image_size}", size=8)
    canvas.box(12, y, 8, 7, f"stem\n{kernel} x {kernel} / {stride}")
    canvas.arrow((7, y), (8, y))
    x, side = 16, small.image_size // stride
    for place, width in enumerate(widths):
        canvas.arrow((x, y), (x + 1.6, y))
        canvas.box(x + 6.4, y, 9.6, 7, f"stage {place + 1}\nn blocks", "bits")
        canvas.text(x + 6.4, y - 5.2, f"{width} x {side} x {side}", size=8, colour="soft")
        x, side = x + 11.2, side // 2
        if place + 1 < len(widths):
            canvas.arrow((x, y), (x + 1.4, y))
            canvas.box(x + 4.3, y, 5.8, 7, "down")
            x += 7.2
    canvas.arrow((x, y), (x + 1.6, y))
    canvas.box(x + 5.6, y, 8, 7, "BN, mean,\nhead")
    canvas.arrow((x + 9.6, y), (x + 11.2, y))
    canvas.text(x + 13.6, y, "logits", size=8)
    down = "down: 1 x 1 FC, BN, RPReLU, then the mean of max-pools over 2, 3, 5 and 7 pixels with stride 2"
    canvas.text(50, y - 8, down, size=8, colour="soft")


def draw_block1(canvas, x, y):
    """MBB block 1 in the strip from x to x + 46, its branches around y."""
    branches = ("Spatial Binary MLP, height", "Spatial Binary MLP, width", "Channel Binary FC")
    merge = x + 30.4
    canvas.text(
        x - 1, y + 14.6, "A block, first half: MBB block 1 (space)", size=11, weight="bold", ha="left"
    )
    fan(canvas, x, y, branches, merge, "z")
    canvas.arrow((x + 8.6, y - 6), (x + 8.6, y - 10), (merge, y - 10), (merge, y - 1.4))
    canvas.text(x + 19.4, y - 8.9, "z", size=8, colour="soft")
    canvas.box(merge + 5.4, y + 10, 15, 4.6, "Reweight MLP\nof the sum's mean", "bits")
    canvas.arrow((merge, y + 7.7), (merge, y + 1.4))
    canvas.text(merge + 0.8, y + 5.2, "softmax over\nthe branches", size=8, colour="soft", ha="left")
    canvas.arrow((merge + 1.3, y), (merge + 2.8, y))
    canvas.box(merge + 7, y, 8.4, 5.4, "Channel\nBinary FC", "bits")
    canvas.arrow((merge + 11.2, y), (merge + 12.4, y))
    canvas.sum(merge + 13.7, y)
    skip(canvas, x, y, merge + 13.7)


def draw_block2(canvas, x, y):
    """MBB block 2 in the strip from x to x + 46, its branches around y."""
    branches = ("Spatial Binary FC, height", "Spatial Binary FC, width", "Channel Binary MLP")
    merge = x + 30.4
    canvas.text(
        x - 1, y + 14.6, "A block, second half: MBB block 2 (channels)", size=11, weight="bold", ha="left"
    )
    fan(canvas, x, y, branches, merge, "m")
    canvas.text(
        merge + 2, y + 5.2, "weights that are learned:\nw0, w1, 1 - w0 - w1", size=8, colour="soft", ha="left"
    )
    canvas.arrow((merge + 1.3, y), (merge + 12.4, y))
    canvas.sum(merge + 13.7, y)
    skip(canvas, x, y, merge + 13.7)


def fan(canvas, x, y, branches, merge, name):
    """From the block's input by a norm, whose output is `name`, to branches, and from these to a weighted sum at `merge`."""
    canvas.text(x - 0.6, y, "x", size=10)
    canvas.arrow((x + 0.4, y), (x + 3.6, y))
    canvas.box(x + 5.4, y, 3.6, 3.6, "BN")
    canvas.text(x + 8.2, y + 1, name, size=8, colour="soft")
    for place, words in zip((y + 6, y, y - 6), branches):
        start = [(x + 7.2, y)] if place == y else [(x + 7.2, y), (x + 8.6, y), (x + 8.6, place)]
        canvas.arrow(*start, (x + 10, place))
        canvas.box(x + 18.7, place, 17.4, 3.6, words, "bits")
        if place == y:
            canvas.arrow((x + 27.4, y), (merge - 1.3, y))
        else:
            canvas.arrow((x + 27.4, place), (merge - 1.7, place), (merge - 0.9, y + (1 if place > y else -1)))
    canvas.sum(merge, y)


def skip(canvas, x, y, end):
    """The block's input added to its output."""
    canvas.arrow((x + 1.6, y), (x + 1.6, y - 13), (end, y - 13), (end, y - 1.3))
    canvas.arrow((end + 1.3, y), (end + 2.8, y))


def draw_layer(canvas, y):
    """A binary layer: what every element of the blocks is made of."""
    canvas.heading(y + 7, "A binary layer", "orange: 1-bit weights and 1-bit activations; blue: 32 bits")
    steps = (
        ("sign(x + b)", "bits"),
        ("1-bit FC with sign(W)\nXNOR and popcount", "bits"),
        ("scale\nmean |W|", "full"),
        ("BN", "full"),
    )
    x, widths = 6, (12, 20, 11, 6)
    canvas.text(2, y, "x", size=10)
    canvas.arrow((3, y), (x, y))
    for (words, kind), width in zip(steps, widths):
        canvas.box(x + width / 2, y, width, 5.6, words, kind)
        canvas.arrow((x + width, y), (x + width + 4, y))
        x += width + 4
    canvas.sum(x + 1.3, y)
    canvas.arrow((x + 2.6, y), (x + 5.6, y))
    canvas.box(x + 10.6, y, 10, 5.6, "RPReLU")
    canvas.arrow((x + 15.6, y), (x + 18.6, y))
    canvas.text(x + 19.8, y, "y", size=10)
    canvas.arrow((4.2, y), (4.2, y - 5.4), (x + 1.3, y - 5.4), (x + 1.3, y - 1.3))
    canvas.text(
        x / 2 + 2, y - 4.3, "Uni-shortcut: copies or means of channels, where widths differ", 8, "soft"
    )


def main(argv):
    if len(argv) > 1 or argv[:1] == ["--help"]:
        raise InputError("command line: expected at most one FOLDER, got " + " ".join(argv))
    folder = Path(argv[0]) if argv else ROOT / "docs"
    for theme in THEMES:
        path = folder / f"network-{theme}.png"
        write_figure(path, network_figure, theme, dots_per_inch=DOTS_PER_INCH)


if __name__ == "__main__":
    sys.exit(run(main))
