"""Picture of a graph: the whole network, each block that repeats being one box, and each kind of block in boxes beside it."""

import textwrap

from src.common.errors import InputError
from src.common.files import replacing
from src.common.themes import THEMES

from .boxes import FILTER, Reading, parts_of
from .canvas import Canvas, text_width
from .layout import layout

NAME, WORDS, HEADING = 12, 10, 17  # sizes of texts in units
LINE, PADDING = 1.35, 7  # line height over size; text to border
LOOP = 12  # a box's shortcut to its side
BORDER, BETWEEN, ABOVE = 24, 50, 48  # of the picture; between its drawings; height of headings
WRAP = 30  # characters
MAX_WIDTH = 1300  # of the kinds of blocks side by side
MAX_AREA = 10_000_000  # of a picture, in square units: 270 MB while it is drawn
LEGEND = (("bits", "1-bit weights and activations"), ("full", "32-bit weights"), ("back", "no weights"))


class Label:
    """Texts of one place in a drawing, in a box or without: lines (words, size, colour)."""

    def __init__(self, lines, kind=None, loop=False):
        self.lines, self.kind, self.loop = lines, kind, loop
        width = max(text_width(words, size) for words, size, _ in lines) + 2 * PADDING
        self.height = sum(size * LINE for _, size, _ in lines) + 2 * PADDING
        self.width = max(width, self.height)

    @property
    def size(self):
        """(width, height) that it takes, its shortcut included."""
        return self.width + 2 * LOOP * self.loop, self.height

    def draw(self, canvas, x, y):
        """Draw it with the middle of its upper edge at (x, y)."""
        if self.kind:
            canvas.box(x, y, self.width, self.height, self.kind)
        y += PADDING
        for words, size, colour in self.lines:
            canvas.text(x, y, words, size, colour)
            y += size * LINE

    def draw_loop(self, canvas, x, y, end):
        """Draw its shortcut, from the arrow that ends at (end, y) to its right side."""
        side, right = x + self.width / 2, x + self.width / 2 + LOOP - 3
        start, middle = y - LOOP + 3, y + self.height * 0.5
        canvas.arrow([(end, start), (right, start), (right, middle), (side, middle)])


def label_of(reading, box):
    """Label of a Box."""
    graph, nodes = reading.graph, reading.graph.nodes[box.start : box.stop]
    ops = {node.op for node in nodes}
    if ops in ({"add"}, {"mul"}):
        return Label([("+" if ops == {"add"} else "x", HEADING, "ink")], "back")
    name = f"{box.name} x {box.times}" if box.times > 1 else box.name
    words = textwrap.wrap(", ".join(box.words), WRAP)
    sizes = {
        op: sum(node.tensors[FILTER].size for node in nodes if node.op == op)
        for op in ("conv2d", "binary_conv2d")
    }
    weights, bits = sizes["conv2d"], sizes["binary_conv2d"]
    remarks = [shape_in_words(graph.shape_of(box.stop))]
    remarks += [f"{bits:,} 1-bit weights"] if bits else []
    remarks += [f"{weights:,} weights"] if weights else []
    lines = [(name, NAME, "ink"), *((line, WORDS, "ink") for line in words)]
    lines += [(line, WORDS, "soft") for line in remarks]
    kind = "bits" if bits else "full" if weights else "back"
    return Label(
        lines, kind, reading.filters(box.start, box.end) == 1 and reading.has_shortcut(box.start, box.stop)
    )


def shape_in_words(shape):
    """Shape as 64x56x56."""
    return "x".join(map(str, shape))


class Drawing:
    """Boxes and what they read from outside, laid out. title, remark: its heading."""

    def __init__(self, reading, boxes, title, remark):
        self.title, self.remark = title, remark
        inputs = reading.inputs(boxes[0].start, boxes[-1].end)
        makers = dict(zip(inputs, range(len(inputs))))  # value -> number of the label that makes it
        self.labels = [
            Label([("input", NAME, "ink"), (shape_in_words(reading.graph.shape_of(v)), WORDS, "soft")])
            for v in inputs
        ]
        sources = [()] * len(inputs)
        for box in boxes:
            sources.append(tuple(dict.fromkeys(makers[v] for v in reading.inputs(box.start, box.end))))
            makers.update({value: len(self.labels) for value in range(box.start + 1, box.end + 1)})
            self.labels.append(label_of(reading, box))
        sources.append(
            tuple(dict.fromkeys(makers[v] for v in reading.outputs(boxes[0].start, boxes[-1].end)))
        )
        self.labels.append(Label([("output", NAME, "ink")]))
        self.layout = layout([label.size for label in self.labels], sources)

    @property
    def size(self):
        """(width, height), the heading included."""
        words = max(text_width(self.title, HEADING), text_width(self.remark, WORDS))
        return max(words, self.layout.width), ABOVE + self.layout.height

    def draw(self, canvas, left, top):
        """Draw it with its upper left corner at (left, top)."""
        canvas.text(left, top, self.title, HEADING, anchor="la")
        canvas.text(left, top + HEADING * LINE, self.remark, WORDS, "soft", anchor="la")
        top += ABOVE
        ends = {}
        for points, box in self.layout.lines:
            points = [(left + x, top + y) for x, y in points]
            (canvas.line if box is None else canvas.arrow)(points)
            ends[box] = points[-1][0]
        for number, (label, (x, y)) in enumerate(zip(self.labels, self.layout.places)):
            label.draw(canvas, left + x, top + y)
            if label.loop:
                label.draw_loop(canvas, left + x, top + y, ends[number])


def drawings_of(graph, title):
    """Drawings of the whole network and of each kind of block."""
    reading = Reading(graph)
    overview, details = parts_of(graph)
    found = [Drawing(reading, overview, title, "the whole network")]
    for detail in details:
        (first, times), *others = detail.names
        same = ", ".join(_times(*each) for each in others)
        remark = f"with other sizes: {same}" if same else ""
        found.append(Drawing(reading, detail.boxes, _times(first, times), remark))
    return found


def _times(name, times):
    return f"{name} x {times}" if times > 1 else name


def picture_of(graph, title):
    """Image of a Graph. Raises InputError for a network whose blocks are too many for one."""
    drawings = drawings_of(graph, title)
    places = places_of([drawing.size for drawing in drawings])
    ends = [(x + drawing.size[0], y + drawing.size[1]) for drawing, (x, y) in zip(drawings, places)]
    used = {label.kind for drawing in drawings for label in drawing.labels}
    foot = drawings[0].size[1]
    width = max(x for x, _ in ends) + 2 * BORDER
    height = max(foot + len(LEGEND) * WORDS * 2, *(y for _, y in ends)) + 2 * BORDER
    if width * height > MAX_AREA:
        raise InputError(
            f"{title}: expected a network that fits a picture, got {len(drawings) - 1} kinds of blocks"
        )
    canvas = Canvas(width, height, THEMES["light"])
    for drawing, (x, y) in zip(drawings, places):
        drawing.draw(canvas, BORDER + x, BORDER + y)
    draw_legend(canvas, used, BORDER, BORDER + foot + WORDS)
    return canvas.reduced()


def places_of(sizes):
    """Places (x, y) of drawings: the first at the left, the others beside it in rows of at most MAX_WIDTH."""
    left = x = sizes[0][0] + BETWEEN
    places, y, below = [(0, 0)], 0, 0
    for width, height in sizes[1:]:
        if x > left and x + width > left + MAX_WIDTH:
            x, y = left, below
        places.append((x, y))
        x, below = x + width + BETWEEN, max(below, y + height + BETWEEN)
    return places


def draw_legend(canvas, used, x, y):
    """Draw what the colours that are used mean, with the upper left corner at (x, y)."""
    for kind, words in ((kind, words) for kind, words in LEGEND if kind in used):
        canvas.box(x + WORDS, y, 2 * WORDS, WORDS, kind)
        canvas.text(x + 3 * WORDS, y, words, WORDS, "soft", anchor="la")
        y += 2 * WORDS


def write_picture(path, graph, title):
    """Write the picture of a Graph to a PNG file, whole or not at all.

    Raises InputError for a file that cannot be written, and as picture_of.
    """
    picture = picture_of(graph, title)
    with replacing(path) as temporary:
        picture.save(temporary, "PNG", optimize=True)
