"""Limits of image files, which hold before anything is decoded: a regular file of a known format and a bounded size.

The limits bound the time and memory that one file can take, whoever made it: the decoded size by the header, so that an
animation counts with its whole canvas (its first frame alone is decoded), the file by its length, a JPEG by its scans.
"""

import warnings

from PIL import Image

from ..common.files import open_regular

# Of Pillow's other kinds some run a program (EPS) or hold an image of another size than they say (ICO, ICNS).
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
MAX_PIXELS = 89_478_485  # a quarter GiB as RGB, as Pillow's own warning of decompression bombs
MAX_SIDE = 65_535  # pixels, as in a JPEG; evaluation enlarges the longer side with the shorter one
MAX_BYTES = 2**28  # of a file: as MAX_PIXELS uncompressed
SCAN = b"\xff\xda"  # marker at the beginning of a JPEG's scan
MAX_WORK = 100 * MAX_PIXELS  # pixels times scans, for each scan passes over all pixels; 10 scans are usual

# Pillow's warnings on a file are refused here or harmless; printed, they would be lines without the file's name.
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_file(path):
    """An image file opened for reading bytes. Raises OSError: missing, no regular file, empty or too large."""
    return open_regular(path, MAX_BYTES)


def read_header(file):
    """A Pillow image of an open binary file, not decoded yet.

    Raises:
        ValueError: more pixels, in all or a side, than the limits allow.
        Exception: nearly any, as Pillow does, for what is no image.
    """
    too_large = f"more pixels than the {MAX_PIXELS} that are decoded"
    try:
        image = Image.open(file, formats=FORMATS)
    except Image.DecompressionBombError as error:  # Pillow's own limit, twice as high
        raise ValueError(too_large) from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{too_large}: {width}x{height}")
    if not 0 < min(width, height) <= max(width, height) <= MAX_SIDE:
        raise ValueError(f"sides of other than 1 to {MAX_SIDE} pixels: {width}x{height}")
    return image


def check_scans(content, image):
    """Raise ValueError if decoding a file's bytes would pass over the pixels too often. image: its header."""
    if image.format in ("JPEG", "MPO"):
        scans, (width, height) = content.count(SCAN), image.size
        if scans * width * height > MAX_WORK:
            raise ValueError(f"a JPEG of {width}x{height} pixels in {scans} scans; 10 are usual")
