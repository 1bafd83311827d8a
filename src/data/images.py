"""Single image files: is it whole, its bytes for the pipeline, its pixels as RGB.

Every mode becomes 8-bit RGB in one way, whether Pillow or the pipeline's own decoder reads the file:
grey is repeated, 12 and 16 bits keep their eight highest, CMYK and palettes are converted, transparency is dropped,
an animation gives its first frame, and the EXIF orientation is not applied. Numbers whose range the file does not state,
floats, integers of 32 bits and signed ones, are refused: nobody knows which of them is white.
"""

import contextlib
import io

import numpy as np
from PIL import Image

from ..common.errors import InputError
from ..common.files import reason
from . import limits

JPEG = b"\xff\xd8\xff"
# Last bytes of a complete file by kind; zeros or line ends behind them are common and harmless.
ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
TAIL = 64  # bytes
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # TIFF tags, and a value of the second
# Behind a JPEG: where its data run out, or a damaged length (2 bytes) leads past its end, MindSpore's decoder never ends.
ENDS = ENDINGS["JPEG"] * 2**16


class UnreadableImage(InputError):
    """An image file that cannot be read.

    Attributes:
        path: the file.
        cause: one line on what is wrong with it.
    """

    def __init__(self, path, cause):
        super().__init__(f"{path}: expected a whole image file, got: {cause}")
        self.path, self.cause = path, cause


def load_rgb(path):
    """Pixels of an image file of any mode: uint8 array (H, W, 3).

    Raises:
        UnreadableImage: an InputError; the file is missing, cut off, no image, or beyond src/data/limits.py.
    """
    with _blaming(path):
        return np.array(_load(*_open(path)))


def load_centred(path, transform):
    """The middle of an image file, as Transform.centre cuts it: uint8 (S, S, 3). Raises as `load_rgb`."""
    with _blaming(path):
        return transform.centre(_load(*_open(path)))


def look(path):
    """(what is wrong with the file, or None if it seems to be a whole image; how many pixels it has).

    Reads a JPEG's header and last bytes, checks a PNG's checksums, and decodes only other kinds and files that
    do not end as their kind should.
    """
    try:
        with _blaming(path):
            (width, height), proper = _glance(path)
            if not proper:
                _load(*_open(path))
            return None, width * height
    except UnreadableImage as error:
        return error.cause, 0


def fault(path):
    """Fault of the file, or None: decodes it with Pillow and as MindSpore's operators do."""
    from .augment import decode  # which loads the framework: evaluation does without

    try:
        load_rgb(path)
        with _blaming(path):
            decode(encoded(path))
    except UnreadableImage as error:
        return error.cause
    return None


def encoded(path):
    """The file's bytes as 1-D uint8, in a format that the pipeline decodes.

    A JPEG that ends as it should stays, for the pipeline decodes it in part; all else is decoded here and handed on as
    PPM, a header before the pixels. (The pipeline's PNG decoder unpacks all that follows the last pixel: a bomb.) Raises as
    `load_rgb`, but what is no whole JPEG is left to the pipeline to find.
    """
    with _blaming(path):
        content, image = _open(path)
        if content.startswith(JPEG) and _ended(content[-TAIL:], ENDINGS["JPEG"]):
            content += ENDS
        else:
            image = _load(content, image)
            content = b"P6 %d %d 255\n" % image.size + image.tobytes()
        return np.frombuffer(content, np.uint8)


@contextlib.contextmanager
def _blaming(path):
    """Context manager: any error becomes an UnreadableImage, for damaged files raise nearly anything."""
    try:
        yield
    except Exception as error:
        raise UnreadableImage(path, _words(error)) from error


def _open(path):
    """(a file's bytes, what Pillow makes of their header), within the limits and not decoded yet."""
    with limits.open_file(path) as file:
        content = file.read(limits.MAX_BYTES)
    image = limits.read_header(io.BytesIO(content))
    limits.check_scans(content, image)
    return content, image


def _load(content, image):
    """Decode what `_open` gives: a Pillow image in mode RGB. Pillow forgives a PNG's missing end."""
    if image.format == "PNG" and not _ended(content[-TAIL:], ENDINGS["PNG"]):
        limits.read_header(io.BytesIO(content)).verify()
    return _rgb(image)


def _rgb(image):
    """Decode a Pillow image: another one in mode RGB."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_high_bits(image)).convert("RGB")
    if "transparency" in image.info:  # by way of RGBA, as Pillow wants it for palettes
        image = image.convert("RGBA")
    image.load()  # an image that is RGB already is not copied
    return image if image.mode == "RGB" else image.convert("RGB")


def _high_bits(image):
    """The eight highest bits of a grey Pillow image with more: uint8 (H, W), white is 255.

    Raises:
        ValueError: numbers whose range is not stated.
    """
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    bits = tags.get(BITS_PER_SAMPLE, (16,))[0]
    # Pillow scales a PGM to 16 bits and gives it in mode I, where a TIFF has signed or 32-bit numbers
    if not (image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")):
        kind = "floats" if image.mode == "F" else f"integers of {bits} bits"
        raise ValueError(
            f"pixels that are {kind}, whose range the file does not state; expected 8 or 16 bits"
        )
    grey = np.asarray(image).astype(np.int64) >> (bits - 8)
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    return 255 - grey if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO else grey


def _glance(path):
    """((width, height), whether the last bytes are those of the file's kind). Raises, as Pillow does, on other faults."""
    with limits.open_file(path) as file:
        image = limits.read_header(file)
        ending = ENDINGS.get(image.format)
        if ending is None:
            return image.size, False
        image.verify()  # checksums, where the kind has any
        file.seek(0, io.SEEK_END)
        file.seek(max(0, file.tell() - TAIL))
        return image.size, _ended(file.read(), ending)


def _ended(tail, ending):
    """True where a file's last bytes are the ending, apart from harmless ones."""
    return tail.rstrip(b"\0\r\n").endswith(ending)


def _words(error):
    """One line on what went wrong, without the path, which the message names already."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no known image format"
    if isinstance(error, OSError) and error.strerror:
        return reason(error)
    return (str(error).splitlines() or [type(error).__name__])[0]
