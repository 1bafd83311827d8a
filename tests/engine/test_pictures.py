"""JPEG and PNG files: bimlp_run reads the same pixels as Python's evaluation."""

import io
import re
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from PIL import Image

from src.common.compile import compiler
from src.data import load_rgb
from tests.engine.emulator import EMULATOR

NATIVE = Path(__file__).resolve().parents[2] / "src" / "engine" / "native"
LIBRARIES = ("-DBIMLP_JPEG", "-DBIMLP_PNG", "-ljpeg", "-lpng")


def program(path, *flags):
    """The finished process that compiles decode_picture.cc to `path`."""
    tools = [NATIVE / "tools" / f"{name}.cc" for name in ("decode", "jpeg", "png", "picture")]
    sources = [Path(__file__).parent / "decode_picture.cc", *tools, NATIVE / "file" / "files.cc"]
    command = [*compiler(), "-std=c++17", "-O1", f"-I{NATIVE}", *sources, *flags, "-o", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def decode(tmp_path_factory):
    """decode(path): the finished process of decode_picture. Skips where the libraries are missing."""
    path = tmp_path_factory.mktemp("decode") / "decode"
    headers = ["-include", "cstdio", "-include", "jpeglib.h", "-include", "png.h"]
    probe = [*compiler(), *headers, "-x", "c++", "-", "-ljpeg", "-lpng", "-o", path]
    if subprocess.run(probe, input="int main() {}", text=True, capture_output=True, check=False).returncode:
        pytest.skip("no libjpeg-turbo or libpng")
    done = program(path, *LIBRARIES)
    assert done.returncode == 0, done.stderr
    return lambda picture: subprocess.run([*EMULATOR, path, picture], capture_output=True, check=False)


def same(decode, path):
    """Whether the program and Python read the same pixels."""
    done = decode(path)
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as image:
        return np.array_equal(np.asarray(image), load_rgb(path))


def photograph(width, height, mode):
    """A Pillow image with smooth colours and some noise."""
    generator = np.random.default_rng(width)
    small = Image.fromarray(generator.integers(0, 256, (7, 5, 4), dtype=np.uint8), "RGBA")
    pixels = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)) / 1.2
    pixels = (pixels + generator.integers(0, 40, pixels.shape)).astype(np.uint8)
    if mode == "CMYK":
        return Image.fromarray(pixels, "CMYK")
    return Image.fromarray(pixels, "RGBA").convert("RGB").convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"quality": 30},
        {"quality": 95, "subsampling": 0},
        {"subsampling": 1},
        {"progressive": True},
        {"restart_marker_blocks": 3},
        {"optimize": True, "quality": 100},
    ],
    ids=str,
)
def test_jpeg(how, mode, decode, tmp_path):
    for width, height in ((131, 90), (16, 16), (1, 1), (7, 300)):
        photograph(width, height, mode).save(tmp_path / "a.jpg", **how)
        assert same(decode, tmp_path / "a.jpg"), (width, height)


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_a_photograph(name, decode):
    assert same(decode, Path(sklearn.datasets.__file__).parent / "images" / name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, interlaced=False, **more):
    """Bytes of a PNG with random samples, also of kinds that Pillow does not write. colour: the format's number of a kind;
    more: chunks between the header and the samples."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    generator = np.random.default_rng(bits)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]  # fmt: skip
    lines = b""
    for x, y, right, down in passes:
        columns, rows = len(range(x, width, right)), len(range(y, height, down))
        for _ in range(rows if columns else 0):
            lines += b"\0" + generator.bytes((columns * samples * bits + 7) // 8)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    chunks = [(b"IHDR", header), *((kind.encode(), data) for kind, data in more.items())]
    chunks += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


COLOURS = {"PLTE": np.random.default_rng(0).bytes(768)}
KINDS = {
    "grey, 1 bit": (1, 0, {}),
    "grey, 2 bits": (2, 0, {}),
    "grey, 4 bits": (4, 0, {}),
    "grey": (8, 0, {}),
    "grey, 16 bits": (16, 0, {}),
    "colours": (8, 2, {}),
    "colours, 16 bits": (16, 2, {}),
    "palette, 1 bit": (1, 3, {"PLTE": COLOURS["PLTE"][:6]}),
    "palette, 4 bits": (4, 3, {"PLTE": COLOURS["PLTE"][:48]}),
    "palette": (8, 3, COLOURS),
    "grey with alpha": (8, 4, {}),
    "grey with alpha, 16 bits": (16, 4, {}),
    "colours with alpha": (8, 6, {}),
    "colours with alpha, 16 bits": (16, 6, {}),
    "transparent palette": (8, 3, {**COLOURS, "tRNS": bytes(range(200))}),
    "transparent grey": (8, 0, {"tRNS": b"\0\7"}),
    "transparent colour": (8, 2, {"tRNS": bytes(6)}),
    "gamma": (8, 2, {"gAMA": struct.pack(">I", 100000)}),
    "gamma of sRGB": (8, 2, {"sRGB": b"\0"}),
}


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_png(kind, interlaced, decode, tmp_path):
    bits, colour, more = KINDS[kind]
    for width, height in ((13, 9), (32, 32), (1, 1), (3, 200)):
        (tmp_path / "a.png").write_bytes(png(width, height, bits, colour, interlaced, **more))
        assert same(decode, tmp_path / "a.png"), (width, height)


def jpeg(width=40, height=30, mode="RGB", **how):
    file = io.BytesIO()
    photograph(width, height, mode).save(file, "JPEG", **how)
    return file.getvalue()


def sides(content, width, height):
    """A JPEG's bytes with other sides in its header."""
    return re.sub(
        rb"(\xff\xc0\0\x11\x08)....", lambda m: m[1] + struct.pack(">HH", height, width), content, flags=re.S
    )


BAD = {
    "cut off.jpg": (jpeg()[:-300], "expected a whole JPEG, got: Premature end of JPEG file"),
    "without end.jpg": (jpeg()[:-2], "expected a whole JPEG, got: Premature end of JPEG file"),
    "header alone.jpg": (jpeg()[:3], "expected a whole JPEG, got: "),
    "too large.jpg": (sides(jpeg(), 65500, 65500), "got 65500x65500"),
    "scans.jpg": (sides(jpeg(), 9000, 9000).replace(b"\xff\xd9", b"\xff\xda" * 200 + b"\xff\xd9"), "JPEG of few scans, got 201"),
    "cut off.png": (png(40, 30, 8, 2)[:-200], "expected a whole PNG, got: "),
    "without end.png": (png(40, 30, 8, 2)[:-12], "expected a whole PNG, got: "),
    "header alone.png": (png(40, 30, 8, 2)[:8], "expected a whole PNG, got: the file is cut off"),
    "checksum.png": (png(40, 30, 8, 2)[:-13] + b"....", "expected a whole PNG, got: "),
    "too large.png": (png(65500, 1, 8, 0).replace(chunk(b"IHDR", struct.pack(">IIBBBBB", 65500, 1, 8, 0, 0, 0, 0)), chunk(b"IHDR", struct.pack(">IIBBBBB", 65500, 65500, 8, 0, 0, 0, 0))), "got 65500x65500"),
    "too wide.png": (png(70000, 1, 8, 0), "sides of at most 65535"),
    "no palette.png": (png(4, 4, 8, 3), "expected a whole PNG, got: "),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_picture_is_named(name, decode, tmp_path):
    content, said = BAD[name]
    (tmp_path / name).write_bytes(content)
    done = decode(tmp_path / name)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"{tmp_path / name}: expected ") and said in done.stderr.decode()


def test_damaged_pictures_are_read_or_named(decode, tmp_path):
    generator, good = np.random.default_rng(0), 0
    for content in (
        jpeg(),
        jpeg(progressive=True),
        jpeg(mode="CMYK"),
        png(13, 9, 8, 6, True),
        png(9, 9, 8, 3, **COLOURS),
    ):
        for _ in range(40):
            damaged = bytearray(content)
            for at in generator.integers(4, len(content), 3):
                damaged[at] = generator.integers(256)
            (tmp_path / "a").write_bytes(damaged)
            done = decode(tmp_path / "a")
            assert done.returncode in (0, 2) and bool(done.stderr) == bool(done.returncode), done
            good += done.returncode == 0
    assert 20 < good < 180


def test_the_program_predicts_them(packed, engine_build, decode, tmp_path):
    photograph(50, 41, "RGB").save(tmp_path / "a.jpg")
    photograph(50, 41, "RGB").save(tmp_path / "a.png")
    for name in ("a.jpg", "a.png"):
        Image.fromarray(load_rgb(tmp_path / name)).save(tmp_path / "a.ppm")
        command = [*EMULATOR, engine_build / "bimlp_run", packed().path, tmp_path / name, tmp_path / "a.ppm"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert len(lines) == 8 and lines[1:4] == lines[5:]


def test_without_the_libraries_it_says_so(tmp_path):
    assert program(tmp_path / "decode").returncode == 0
    for name, content, library in (("a.jpg", jpeg(), "libjpeg-turbo"), ("a.png", png(3, 3, 8, 2), "libpng")):
        (tmp_path / name).write_bytes(content)
        done = subprocess.run(
            [*EMULATOR, tmp_path / "decode", tmp_path / name], capture_output=True, text=True, check=False
        )
        assert done.returncode == 2 and done.stderr.endswith(f": bimlp_run was built without {library}")
