"""bimlp_run, and the pictures that it reads and cuts: to the pixel those of Python's evaluation."""

import json
import os
import re
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from src.common.compile import compiler
from src.common.errors import InputError
from src.cost.count import cost_of
from src.data.transform import centre
from src.deploy import write_packed
from src.engine import Engine
from src.engine.library import library
from src.model import create_model
from tests.engine.emulator import EMULATOR
from tests.engine.left_out import OF_MEMORY, OF_TIME

NATIVE = Path(__file__).resolve().parents[2] / "src" / "engine" / "native"


# a multiple of everything, and three classes by name; odd sizes, and 17 classes without names
MODELS = {
    "small": {"size": 16, "names": ("a", "b", "ç d")},
    "odd": {"size": 13, "classes": 17, "names": (), "widths": (12, 4, 36), "depths": (1, 2, 1), "branches": (4, 0, 0, 2)},
}  # fmt: skip

RESIZE = 40  # pixels of a picture's shorter side, of all of them


@pytest.fixture(scope="module")
def models(packed, tmp_path_factory):
    """A folder of packed files, MODELS."""
    folder = tmp_path_factory.mktemp("models")
    for name, settings in MODELS.items():
        (folder / f"{name}.packed").write_bytes(packed(**settings).path.read_bytes())
    return folder


@pytest.fixture
def run(engine_build):
    """run(*arguments): the finished process of bimlp_run."""

    def run(*arguments):
        command = [*EMULATOR, engine_build / "bimlp_run", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def photograph(width, height, seed=0):
    """Smooth colours with some noise, uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in generator.uniform(-0.4, 0.4, (3, 3)) * [1, 1, 9]]
    pixels = 127 + 110 * np.stack(waves, axis=-1) + generator.normal(0, 25, (height, width, 3))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def pnm(pixels, comment=b""):
    """The bytes of a P6 or P5 file."""
    kind = b"P6" if pixels.ndim == 3 else b"P5"
    return b"%s\n%s%d %d\n255\n" % (kind, comment, pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def expected(engine, images, path):
    """Output of bimlp_run for an image."""
    logits = engine.logits(images[None])[0].astype(np.float64)
    shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    names = engine.description["class_names"] or range(len(logits))
    best = np.argsort(-logits, kind="stable")[:5]
    return f"{path}\n" + "".join(f"  {shares[k]:7.4f}  {names[k]}\n" for k in best)


@pytest.mark.parametrize("threads", [[], ["--threads", "2"]])
@pytest.mark.parametrize("name", MODELS)
def test_the_five_best_classes_of_every_kind_of_image(name, threads, models, run, tmp_path):
    size = MODELS[name]["size"]
    colours, grey = photograph(41, 30), photograph(23, 64, 1)[..., 0]
    numbers = np.random.default_rng(2).standard_normal((3, size, size)).astype(np.float32)
    cut = [centre(Image.fromarray(p).convert("RGB"), size, RESIZE) for p in (colours, grey)]
    files = {
        "a.ppm": (pnm(colours), cut[0]),
        "b.pgm": (pnm(grey, b"# a comment\n"), cut[1]),
        "c.raw": (cut[0].tobytes(), cut[0]),
        "d.raw": (numbers.tobytes(), numbers),
    }
    text = ""
    with Engine.load(models / f"{name}.packed") as engine:
        for file, (content, images) in files.items():
            (tmp_path / file).write_bytes(content)
            text += expected(engine, images, tmp_path / file)
    done = run(*threads, models / f"{name}.packed", *(tmp_path / file for file in files))
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout == text


def test_a_picture_as_long_as_a_raw_image_is_a_picture(models, run, tmp_path):
    size = MODELS["small"]["size"]
    picture = tmp_path / "a.pgm"
    picture.write_bytes(pnm(photograph(9, 50)[..., 0]).ljust(3 * size**2, b"\0"))
    assert picture.stat().st_size == 3 * size**2
    with Engine.load(models / "small.packed") as engine:
        pixels = centre(Image.open(picture).convert("RGB"), size, RESIZE)
        text = expected(engine, pixels, picture)
    assert run(models / "small.packed", picture).stdout == text


def test_the_operations_that_a_packed_file_can_hold(run):
    done = run("--ops")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == library().bimlp_ops().decode()


P6 = b"P6\n4 4\n255\n" + bytes(48)
IMAGES = {
    "truncated": (P6[:-1], "expected 59 bytes, got 58"),
    "without pixels": (b"P6\n4 4\n255", "expected a whole PNM header"),
    "half a header": (b"P6\n4 ", "expected a whole PNM header"),
    "comment without end": (b"P6\n#4 4 255 ", "expected a whole PNM header"),
    "words": (b"P6\n4 four 255\n" + bytes(48), "expected a whole PNM header"),
    "numbers in a row": (b"P6\n4 4 255a" + bytes(48), "expected a whole PNM header"),
    "negative": (b"P6\n-4 4 255\n" + bytes(48), "floats, got 60 other bytes"),
    "too wide": (b"P6\n65537 1\n255\n" + bytes(48), "sides of 1 to 65536"),
    "no sides": (b"P6\n0 4\n255\n", "sides of 1 to 65536"),
    "overflow": (b"P6\n4294967300 4294967300 255\n" + bytes(48), "sides of 1 to 65536"),
    "largest": (b"P6\n65536 65536 255\n" + bytes(48), "expected 12884901907 bytes, got 67"),
    "16 bits": (b"P6\n4 4\n65535\n" + bytes(96), "values up to 255, got up to 65535"),
    "no values": (b"P6\n4 4\n0\n" + bytes(48), "values up to 255, got up to 0"),
    "ASCII": (b"P3\n1 1\n255\n1 2 3\n", "floats, got 17 other bytes"),
    "raw": (
        bytes(767),
        "expected a PNM .P5, P6., JPEG or PNG picture, 768 bytes or 768 floats, got 767 other bytes",
    ),
    "empty": (b"", "got 0 other bytes"),
    "NaN": (np.full(768, np.nan, "<f4").tobytes(), "expected finite numbers, got NaN"),
}


def refused(done, said):
    assert done.returncode == 2, done
    assert re.fullmatch(f"error: .*{said}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize("name", IMAGES)
def test_a_bad_image_is_one_line(name, models, run, tmp_path):
    content, said = IMAGES[name]
    (tmp_path / "image").write_bytes(content)
    refused(run(models / "small.packed", tmp_path / "image"), f"image: .*{said}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fast", "MODEL", "IMAGE"], "--fast: expected --threads, --describe, --profile or no option"),
        (["--threads"], "--threads: expected a number"),
        (["--describe"], "--describe: expected one model and no image"),
        (["--describe", "MODEL", "IMAGE"], "--describe: expected one model and no image"),
        (["--profile"], "--profile: expected one model and no image"),
        (["--profile", "--threads", "2", "MODEL"], "--profile: expected one thread, got 2"),
        (["--threads", "0", "MODEL", "IMAGE"], "--threads: expected a whole number from 1, got 0"),
        (["--threads", "abc", "MODEL", "IMAGE"], "--threads: expected a whole number from 1, got abc"),
        (["--threads", "2x", "MODEL", "IMAGE"], "--threads: expected a whole number from 1, got 2x"),
        (["--threads", "99999999999999999999", "MODEL", "IMAGE"], "from 1, got 99999999999999999999"),
        (["--threads", "999", "MODEL", "IMAGE"], "threads: expected 1 to 256, got 999"),
        (["MODEL"], "expected a model and an image"),
        (["--threads", "2"], "expected a model and an image"),
        (["MODEL", "nowhere"], "nowhere: expected a file, got: No such file or directory"),
        (["MODEL", "."], ".: expected a file, got: Is a directory"),
        (["nowhere", "MODEL"], "nowhere: expected a file"),
        (["IMAGE", "IMAGE"], "packed file: size: expected at least 100 bytes"),
    ],
)
def test_bad_arguments_are_one_line(arguments, said, models, run, tmp_path):
    (tmp_path / "image").write_bytes(P6)
    places = {"MODEL": models / "small.packed", "IMAGE": tmp_path / "image"}
    refused(run(*(places.get(argument, argument) for argument in arguments)), said)


def test_usage(run):
    assert run("--help").returncode == 0 and run("--help").stdout.startswith("usage: bimlp_run")
    assert run().returncode == 2 and run().stderr.startswith("usage: bimlp_run")


def test_a_network_is_described_with_its_instruction_set(models, run):
    done = run("--describe", "--threads", "2", models / "small.packed")
    with Engine.load(models / "small.packed", threads=2) as engine:
        assert json.loads(done.stdout) == engine.description
    assert (done.returncode, done.stderr) == (0, "") and engine.description["threads"] == 2


def test_a_profile_has_the_time_of_each_kind_of_work_by_width(models, run, monkeypatch):
    done = run("--profile", models / "small.packed")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert rows[0] == ["operation", "channels", "ms", "share"]
    assert {row[0] for row in rows} >= {"binary 1x1", "full precision", "bits"}
    assert all(int(row[1]) % 16 == 0 for row in rows[1:-1] if len(row) == 4)
    times = [float(row[-2]) for row in rows[1:]]
    assert times[:-1] == sorted(times[:-1], reverse=True)
    assert sum(times[:-1]) == pytest.approx(times[-1], abs=0.001 * len(times))
    monkeypatch.setenv("BIMLP_PLAN", "plain")
    refused(run("--profile", models / "small.packed"), "--profile: expected the plan fused")


def test_an_instruction_set_that_is_not_there_is_one_line(models, run, tmp_path, monkeypatch):
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", "mmx")
    refused(run(models / "small.packed", tmp_path), "instruction set: expected one of .*scalar, got mmx")


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """cut(pixels, size, shorter): what the engine cuts out of a picture, and the processor's seconds."""
    folder = tmp_path_factory.mktemp("cut")
    sources = [
        Path(__file__).parent / "cut_picture.cc",
        NATIVE / "tools/picture.cc",
        NATIVE / "file/files.cc",
    ]
    command = [*compiler(), "-std=c++17", "-O2", f"-I{NATIVE}", *sources, "-o", folder / "cut"]
    subprocess.run(command, check=True)

    def cut(pixels, size, shorter):
        (folder / "picture").write_bytes(pnm(pixels))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        command = [*EMULATOR, folder / "cut", folder / "picture", str(size), str(shorter)]
        out = subprocess.run(command, check=True, capture_output=True).stdout
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        return np.frombuffer(out, np.uint8).reshape(size, size, 3), seconds

    return cut


@pytest.mark.parametrize(
    ("width", "height", "size", "shorter"),
    [
        (640, 427, 224, 256),  # a photograph, lying
        (427, 640, 224, 256),  # standing
        (500, 375, 224, 256),
        (333, 500, 224, 256),
        (101, 203, 224, 256),  # upscaled
        (257, 256, 224, 256),
        (256, 256, 224, 256),  # as large as it is resized to
        (224, 224, 224, 224),
        (1023, 767, 97, 111),  # odd
        (32, 32, 32, 32),
        (31, 33, 32, 32),
        (7, 5, 33, 38),
        (1, 1, 16, 18),
        (300, 1, 16, 18),  # a line
        (1, 300, 16, 18),
        (3, 3, 1, 1),
        (1500, 4, 2, 3),
    ],
)
def test_a_picture_is_cut_as_in_evaluation(width, height, size, shorter, cut):
    pixels = photograph(width, height, seed=width)
    wanted = centre(Image.fromarray(pixels), size, shorter)
    np.testing.assert_array_equal(cut(pixels, size, shorter)[0], wanted)


@pytest.mark.parametrize("name", ["china.jpg", "flower.jpg"])
def test_a_photograph_is_cut_as_in_evaluation(name, cut):
    pixels = load_sample_image(name)
    np.testing.assert_array_equal(cut(pixels, 224, 256)[0], centre(Image.fromarray(pixels), 224, 256))


def test_extreme_pixels_are_cut_as_in_evaluation(cut):
    pixels = np.random.default_rng(0).choice([0, 255], (90, 120, 3)).astype(np.uint8)
    for size in (20, 224):
        wanted = centre(Image.fromarray(pixels), size, size)
        np.testing.assert_array_equal(cut(pixels, size, size)[0], wanted)


@OF_TIME
def test_a_large_picture_takes_less_than_a_second(cut):
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    assert cut(pixels, 224, 256)[1] < 1


@OF_MEMORY
def test_a_long_line_takes_little_memory(engine_build, models, tmp_path):
    for width, height in ((65536, 1), (1, 65536)):
        (tmp_path / "line.ppm").write_bytes(pnm(np.zeros((height, width, 3), np.uint8)))

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 26,) * 2)

        command = [engine_build / "bimlp_run", models / "small.packed", tmp_path / "line.ppm"]
        subprocess.run(command, check=True, preexec_fn=limit, stdout=subprocess.DEVNULL)


@OF_MEMORY
@pytest.mark.parametrize("name,threads,most", [("bimlp_s", 1, 6.4e6), ("bimlp_m", 2, 9.5e6)])
def test_a_network_of_full_size_takes_at_most_40_mb_beside_its_file(
    name, threads, most, engine_build, tmp_path
):
    network, path = create_model(name, 1000, backend="plain"), tmp_path / "full.packed"
    for parameter in network.get_parameters():
        if parameter.name.endswith(
            "gamma"
        ):  # of an untrained network: at 1 its numbers grow beyond the largest
            parameter.set_data(parameter * 0.05)
    pixels = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}
    _, size = write_packed(network, path, variant=name, image_size=224, resize=256, **pixels)
    assert size == path.stat().st_size == cost_of(network, 224, name).packed_bytes <= most
    (tmp_path / "a.ppm").write_bytes(pnm(photograph(300, 260)))
    measure = (  # in a small process: the peak of a child begins with the size of the process that started it
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [engine_build / "bimlp_run", "--threads", str(threads), path, tmp_path / "a.ppm"]
    done = subprocess.run(
        [sys.executable, "-c", measure, *command], check=True, capture_output=True, text=True
    )
    assert 1024 * int(done.stdout) - size < 40e6


def test_values_up_to_less_than_255_are_stretched_as_in_pillow(models, run, tmp_path):
    for most in (1, 2, 10, 100, 254):
        content = b"P5\n16 16\n%d\n" % most + bytes(i % (most + 1) for i in range(256))
        (tmp_path / "a.pgm").write_bytes(content)
        pixels = np.asarray(centre(Image.open(tmp_path / "a.pgm").convert("RGB"), 16, RESIZE))
        (tmp_path / "b.raw").write_bytes(pixels.tobytes())
        lines = run(models / "small.packed", tmp_path / "a.pgm", tmp_path / "b.raw").stdout.splitlines()
        assert len(lines) == 8 and lines[1:4] == lines[5:8]


def test_a_pipe_or_device_is_refused_at_once(models, run, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        for arguments in ((path, "x.ppm"), (models / "small.packed", path)):
            done = run(*arguments)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == f"error: {path}: expected a file, got: Not a regular file\n"
        with pytest.raises(InputError, match="expected a file, got: Not a regular file"):
            Engine.load(path)


def test_control_characters_of_class_names_do_not_reach_the_terminal(models, run, tmp_path):
    data = (
        (models / "small.packed").read_bytes().replace("ç d\n".encode(), "ç\x9b\n".encode())
    )  # a file with the others is refused
    (tmp_path / "odd.packed").write_bytes(data[:-4] + struct.pack("<I", zlib.crc32(data[:-4])))
    side = MODELS["small"]["size"]
    (tmp_path / "a\x1b.ppm").write_bytes(pnm(photograph(side, side)))
    done = run(tmp_path / "odd.packed", tmp_path / "a\x1b.ppm")
    assert done.returncode == 0, done.stderr
    file, *names = done.stdout.splitlines()
    assert file.endswith("a\\x1b.ppm")
    assert {line.split()[1] for line in names} == {"a", "b", "ç\\xc2\\x9b"}
