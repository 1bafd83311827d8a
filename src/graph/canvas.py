"""Canvas: boxes, lines, arrows and texts on an image, drawn larger than it is and reduced, so that edges are smooth."""

import itertools
from functools import cache

from PIL import Image, ImageColor, ImageDraw, ImageFont

FINE, REDUCED = 3, 2  # pixels drawn per unit; drawn pixels per pixel of the picture
ROUND = 5  # radius of a box's corners, in units
HEAD = 6, 3  # length of an arrow's head and half of its width
SHADES = 5  # of the file's palette, between any two colours that meet


class Canvas:
    """Image in the making, in units from its upper left corner. theme: one of THEMES."""

    def __init__(self, width, height, theme):
        size = tuple(round(FINE * length) for length in (width, height))
        self.theme, self.image = theme, Image.new("RGB", size, theme["back"])
        self.draw = ImageDraw.Draw(self.image)

    def text(self, x, y, words, size, colour="ink", anchor="ma"):
        self.draw.text((FINE * x, FINE * y), words, self.theme[colour], font(size), anchor)

    def box(self, x, y, width, height, kind):
        """Box with its upper edge's middle at (x, y). kind: key of the theme."""
        corners = [FINE * v for v in (x - width / 2, y, x + width / 2, y + height)]
        colours = {"fill": self.theme[kind], "outline": self.theme["ink"]}
        self.draw.rounded_rectangle(corners, FINE * ROUND, width=FINE, **colours)

    def line(self, points):
        self.draw.line([(FINE * x, FINE * y) for x, y in points], self.theme["ink"], FINE, joint="curve")

    def arrow(self, points):
        """Line with a head at its last point."""
        self.line(points)
        (a, b), (x, y) = points[-2:]
        dx, dy = (x > a) - (x < a), (y > b) - (y < b)  # of a line along one axis
        length, half = HEAD
        back = x - length * dx, y - length * dy
        corners = [
            (x, y),
            (back[0] - half * dy, back[1] - half * dx),
            (back[0] + half * dy, back[1] + half * dx),
        ]
        self.draw.polygon([(FINE * x, FINE * y) for x, y in corners], self.theme["ink"])

    def reduced(self):
        """The image in its final size, with few colours: those of the theme, and shades at the edges of texts and lines."""
        size = tuple(length // REDUCED for length in self.image.size)
        palette = Image.new("P", (1, 1))
        palette.putpalette([v for colour in shades(self.theme) for v in colour])
        smooth = self.image.resize(size, Image.Resampling.LANCZOS)
        return smooth.quantize(palette=palette, dither=Image.Dither.NONE)


def shades(theme):
    """Colours (red, green, blue) from each background of a theme to each colour of texts and lines."""
    found = []
    for back, front in itertools.product(("back", "full", "bits"), ("ink", "soft")):
        ends = [ImageColor.getrgb(theme[key]) for key in (back, front)]
        for i in range(SHADES + 1):
            found.append(tuple(round(a + (b - a) * i / SHADES) for a, b in zip(*ends)))
    return sorted(set(found))


@cache
def font(size):
    """Pillow's own font in a size in units, the same on every machine."""
    return ImageFont.load_default(FINE * size)


def text_width(words, size):
    """Width of a text in units."""
    return font(size).getlength(words) / FINE
