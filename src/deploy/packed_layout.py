"""Contents of a packed file in their order: FORMAT.md as data."""

import math
from dataclasses import dataclass, replace

TAPS = 7
RATIO = 4
WORD = 32  # bits
AXES = ("height", "width")  # in this order
# limits of the format
MAX_STAGES, MAX_WIDTH, MAX_DEPTH, MAX_BRANCHES = 8, 16384, 1000, 64
MAX_IMAGE, MAX_KERNEL, MAX_CLASSES, MAX_NAME = 2048, 64, 1_000_000, 64
MAX_NUMBERS, MAX_BYTES = 1 << 26, 1 << 31  # of what one image needs, of the file
MAX_COLOUR, MIN_STD = 1000.0, 0.001


@dataclass(frozen=True)
class Description:
    """A packed network's description, the header of FORMAT.md.

    image_size, resize: pixels; stem: (kernel, stride, padding); branches: (S1, C1, S2, C2); mean, std: per channel, of
    pixels in [0, 1]; class_names: one per class, or none.
    """

    variant: str
    image_size: int
    resize: int
    stem: tuple
    widths: tuple
    depths: tuple
    branches: tuple
    classes: int
    mean: tuple
    std: tuple
    class_names: tuple = ()


def violations(d):
    """Violations of the format's limits by a Description, in words: a list, empty for a good one."""
    s1, c1, s2, c2 = d.branches
    kernel, stride, padding = d.stem
    conditions = {
        f"1 to {MAX_STAGES} stages": 1 <= len(d.widths) == len(d.depths) <= MAX_STAGES,
        f"widths that are multiples of {RATIO} up to {MAX_WIDTH}": all(
            RATIO <= width <= MAX_WIDTH and width % RATIO == 0 for width in d.widths
        ),
        f"depths of 1 to {MAX_DEPTH}": all(1 <= depth <= MAX_DEPTH for depth in d.depths),
        f"branches up to {MAX_BRANCHES}, spatial ones even, one or more per block": (
            all(0 <= count <= MAX_BRANCHES for count in d.branches)
            and s1 % 2 == s2 % 2 == 0
            and s1 + c1 > 0 < s2 + c2
        ),
        f"a stem of kernel and stride 1 to {MAX_KERNEL} and a padding below the kernel": (
            1 <= kernel <= MAX_KERNEL and 1 <= stride <= MAX_KERNEL and 0 <= padding < kernel
        ),
        f"an image of the stem's kernel to {MAX_IMAGE} pixels": (
            1 <= d.image_size <= MAX_IMAGE and kernel <= d.image_size + 2 * padding
        ),
        f"resize from the image size to {2 * MAX_IMAGE}": d.image_size <= d.resize <= 2 * MAX_IMAGE,
        f"1 to {MAX_CLASSES} classes": 1 <= d.classes <= MAX_CLASSES,
        "one class name per class, or none": len(d.class_names) in (0, d.classes),
        f"names that are UTF-8 without control characters{_odd_name(d)}": not _odd_name(d),
        f"a variant's name of at most {MAX_NAME} bytes": len(d.variant.encode(errors="replace")) <= MAX_NAME,
        f"means of at most {MAX_COLOUR:g} and stds of {MIN_STD:g} to {MAX_COLOUR:g}": (
            all(abs(mean) <= MAX_COLOUR for mean in d.mean)
            and all(MIN_STD <= std <= MAX_COLOUR for std in d.std)
        ),
    }
    broken = [condition for condition, holds in conditions.items() if not holds]
    return broken or _too_much(d)


def _too_much(d):
    """Violations by the memory that one image needs in the engine, of a Description whose fields are within their limits."""
    s1, c1, s2, _ = d.branches
    side, rows, broken = (d.image_size + 2 * d.stem[2] - d.stem[0]) // d.stem[1] + 1, 0, []
    for width, following, depth in zip(d.widths, (*d.widths[1:], 0), d.depths):
        row = side * (width + 32)
        if side * side * (max(width, following) + 32) * (max(s1, s2) + c1 + 2) > MAX_NUMBERS:
            broken = [f"maps of at most {MAX_NUMBERS} numbers per stage"]
        rows += depth * (2 * s1 + s2) * row
        side = -(-side // 2)
    return broken + [f"rows of local FCs of at most {MAX_NUMBERS} numbers"] * (rows > MAX_NUMBERS)


def _odd_name(d):
    """The first name that is no text for the format, in brackets, with its class; "" where all are."""
    for label, name in (
        ("the variant", d.variant),
        *((f"class {i}", n) for i, n in enumerate(d.class_names)),
    ):
        if not _is_text(name):
            return f" ({label} is {name!r})"
    return ""


def _is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not any(character < " " or character == "\x7f" for character in name)


@dataclass(frozen=True)
class Entry:
    """A tensor of the file: 32-bit floats, or a bit matrix."""

    name: str
    shape: tuple
    bits: bool = False

    @property
    def size(self):
        """Bytes in the file."""
        if self.bits:
            rows, columns = self.shape
            return rows * -(-columns // WORD) * 4
        return 4 * math.prod(self.shape)


def layout(description):
    """The Entries of the file in their order. Names are those of the network's Cells, then the tensor's own."""
    d = description
    entries = _full("stem", 3 * d.stem[0] ** 2, d.widths[0])
    for stage, (width, depth) in enumerate(zip(d.widths, d.depths)):
        if stage:
            entries += _full(f"downsamples.{stage - 1}", d.widths[stage - 1], width)
        for i in range(depth):
            entries += _block(f"stages.{stage}.{i}", width, d.branches)
    return (
        entries
        + _norm("norm", d.widths[-1])
        + _numbers("head", weight=(d.classes, d.widths[-1]), bias=(d.classes,))
    )


def tensor_bytes(description):
    """Bytes of all Entries in the file, without a list as long as the network is deep."""
    d = description
    shallow = layout(replace(d, depths=(0,) * len(d.depths)))
    blocks = [_block("", width, d.branches) for width in d.widths]
    return _bytes(shallow) + sum(depth * _bytes(block) for depth, block in zip(d.depths, blocks))


def _bytes(entries):
    return sum(entry.size for entry in entries)


def _numbers(name, **shapes):
    return [Entry(f"{name}.{part}", shape) for part, shape in shapes.items()]


def _norm(name, channels):
    return _numbers(name, factor=(channels,), offset=(channels,))


def _affine(name, channels):
    return _norm(name, channels) + _numbers(name, slope=(channels,), shift_out=(channels,))


def _full(name, inputs, outputs):
    return _numbers(name, weight=(outputs, inputs)) + _affine(name, outputs)


def _binary(name, inputs, outputs, shape):
    return [
        *_numbers(name, shift=(inputs,)),
        Entry(f"{name}.weight", shape, bits=True),
        *_affine(name, outputs),
    ]


def _channel_fc(name, inputs, outputs):
    return _binary(name, inputs, outputs, (outputs, inputs))


def _spatial_fc(name, group, channels):
    return _binary(name, group * channels, channels, (group * TAPS, channels))


def _channel_mlp(name, inputs, hidden, outputs):
    return _channel_fc(f"{name}.fc1", inputs, hidden) + _channel_fc(f"{name}.fc2", hidden, outputs)


def _block(name, c, branches):
    s1, c1, s2, c2 = branches
    entries = _norm(f"{name}.norm1", c)
    for axis in AXES:
        for i in range(s1 // 2):
            mlp = f"{name}.block1.{axis}.{i}"
            entries += _channel_fc(f"{mlp}.phase_fc", c, c) + _channel_fc(f"{mlp}.amplitude_fc", c, c)
            entries += _spatial_fc(f"{mlp}.mix_fc", 2, c)
    for i in range(c1):
        entries += _channel_fc(f"{name}.block1.channel.{i}", c, c)
    entries += _channel_mlp(f"{name}.block1.reweight", c, c // RATIO, (s1 + c1) * c)
    entries += _channel_fc(f"{name}.block1.projection", c, c) + _norm(f"{name}.norm2", c)
    for axis in AXES:
        for i in range(s2 // 2):
            entries += _spatial_fc(f"{name}.block2.{axis}.{i}", 1, c)
    for i in range(c2):
        entries += _channel_mlp(f"{name}.block2.channel.{i}", c, RATIO * c, c)
    return entries + _numbers(f"{name}.block2", merge=(s2 + c2 - 1,))
