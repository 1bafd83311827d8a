"""Files as they are found in folders of pictures: odd ones that are whole, and bad ones with the reason to expect."""

import io
import os
import socket
import struct
import zlib

import numpy as np
from PIL import Image

SIDE = 20_000  # pixels of a bomb; 20,000 x 40 is a picture like any other
MIB = bytes(2**20)


def picture(width=24, height=20, mode="RGB"):
    noise = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def saved(kind, image=None, **settings):
    """The bytes of an image file."""
    content = io.BytesIO()
    (image or picture()).save(content, kind, **settings)
    return content.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def zeros(count):
    """A zlib stream of so many zeros."""
    stream = zlib.compressobj(9)
    parts = [stream.compress(MIB) for _ in range(count // len(MIB))]
    return b"".join([*parts, stream.compress(bytes(count % len(MIB))), stream.flush()])


def black(width, height, before=b"", rows=None, after=b""):
    """A PNG of grey zeros, with further chunks."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = chunk(b"IDAT", rows or zeros((width + 1) * height))
    parts = chunk(b"IHDR", header), before, pixels, after, chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def patched(content, place, replacement):
    return content[:place] + replacement + content[place + len(replacement) :]


def animated(kind):
    return saved(kind, save_all=True, append_images=[picture().rotate(90), picture().rotate(180)])


def large_screen():
    """An animated GIF of a few bytes whose screen is large."""
    return patched(animated("GIF"), 6, struct.pack("<HH", SIDE, SIDE))


def large_canvas():
    """An animated WebP of a few bytes whose canvas is large; each side is written less one in three bytes."""
    return patched(animated("WEBP"), 24, struct.pack("<I", SIDE - 1)[:3] * 2)


def many_scans():
    """A progressive JPEG that holds its last scan over and over: 15 bytes that take as long as a whole picture."""
    content = saved("JPEG", Image.new("RGB", (3000, 3000), (200, 100, 50)), progressive=True)
    start, end = content.rindex(b"\xff\xda"), content.rindex(b"\xff\xd9")
    return content[:end] + content[start:end] * 1200 + content[end:]


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    return saved("JPEG", exif=exif)


def pipe(path):
    os.mkfifo(path)


def bound_socket(path):
    """The socket's name stays when the socket is closed; a name may have 108 bytes only, so it is given from inside."""
    inside = os.open(os.path.dirname(path), os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(f"/proc/self/fd/{inside}/{os.path.basename(path)}")
    finally:
        os.close(inside)


def link(target):
    return lambda path: os.symlink(target, path)


def sparse(path):
    """A file of 1 TB, none of it on the disk."""
    with open(path, "wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate(10**12)


def words(name):
    return chunk(b"zTXt", b"Comment\0\0" + zeros(2**27)) if name == "zTXt" else chunk(
        b"iTXt", b"Comment\0\1\0en\0\0" + zeros(2**27)
    )  # fmt: skip


# name -> what makes the content, or a function of the path that makes the file
GOOD = {
    "grey.png": lambda: saved("PNG", picture(mode="L")),
    "alpha.png": lambda: saved("PNG", picture(mode="RGBA")),
    "deep.png": lambda: saved("PNG", Image.fromarray(np.full((20, 24), 0x4D12, np.uint16))),
    "print.jpg": lambda: saved("JPEG", picture(mode="CMYK")),
    "progressive.jpg": lambda: saved("JPEG", progressive=True),
    "animation.gif": lambda: animated("GIF"),
    "animation.webp": lambda: animated("WEBP"),
    "turned.jpg": turned,
    "renamed_png.jpg": lambda: saved("PNG"),
    "wide.png": lambda: black(SIDE, 40),
    "more_rows.png": lambda: black(4, 4, rows=zeros(2**28)),  # nobody unpacks what follows the last pixel
    "caf\udce9\n.png": lambda: saved("PNG"),  # a name that is no UTF-8 and two lines
}
BAD = {
    "empty.jpg": (lambda: b"", "an empty file"),
    "cut.jpg": (lambda: saved("JPEG")[:-200], "truncated|cut off"),
    "cut.png": (lambda: saved("PNG")[:-50], "[Tt]runcated|cut off|broken"),
    "cut.webp": (lambda: saved("WEBP")[:-20], "."),
    "text\udcff\n.jpg": (lambda: b"Not found\n" * 30, "no known image format"),
    "program.eps": (lambda: saved("EPS"), "no known image format"),
    "bomb.png": (lambda: black(SIDE, SIDE), "more pixels than the 89478485 that are decoded"),
    "bomb.gif": (large_screen, "more pixels than"),
    "bomb.webp": (large_canvas, "more pixels than"),
    "mild_bomb.png": (lambda: black(10_000, 10_000), "more pixels than .*: 10000x10000"),
    "thread.png": (lambda: black(70_000, 1), "sides of other than 1 to 65535 pixels: 70000x1"),
    "words.png": (lambda: black(4, 4, before=words("zTXt")), "too large"),
    "more_words.png": (lambda: black(4, 4, before=words("iTXt")), "too large"),
    "pipe.jpg": (pipe, "a named pipe, not a regular file"),
    "socket.jpg": (bound_socket, "a socket, not a regular file"),
    "device.jpg": (link("/dev/zero"), "a device, not a regular file"),
    "endless.jpg": (link("/proc/kmsg"), "an empty file"),
    "dangling.jpg": (link("nowhere"), "No such file"),
    "loop.jpg": (link("loop.jpg"), "symbolic links"),
    "sparse.jpg": (sparse, "a file of 1000000000000 bytes; at most 268435456 are read"),
}
# These are whole by header and end: they are found when they are read.
LATE = {
    "scans.jpg": (many_scans, "3000x3000 pixels in 1210 scans"),
    "last_words.png": (lambda: black(4, 4, after=words("zTXt")), "too large"),
}


def put(folder, name, make):
    """Make one file of the zoo and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    if make.__code__.co_argcount:
        make(path)
    else:
        path.write_bytes(make())
    return path


def put_all(root):
    """An image folder with the whole zoo in train/a and val/a, and beside each late one readable pictures.

    Returns [(path, split, reason)] of the bad files in order.
    """
    bad = []
    for split in ("train", "val"):
        for name in ("a", "b"):
            put(root / split / name, "whole.png", lambda: saved("PNG"))
    for name, make in GOOD.items():
        put(root / "train" / "a", name, make)
        put(root / "val" / "a", name, make)
    for split, kinds in (("train", BAD), ("val", LATE)):
        for name, (make, reason) in kinds.items():
            bad.append((str(put(root / split / "a", name, make)), split, reason))
    return sorted(bad)
