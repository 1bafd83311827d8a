"""Damaged packed files: each fault is named, by the engine and by Python's reader, and none costs memory."""

import ctypes
import resource
import struct
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest

from scripts.fuzz_seeds import DESCRIPTIONS, packed, random_tensors
from src.common.errors import InputError
from src.deploy.packed_file import HEADER, decode, encode
from src.deploy.packed_layout import layout
from src.engine import Engine
from src.engine.library import library

SMALL = DESCRIPTIONS["small"]
WHOLE = packed("small")
TEXTS = HEADER.size
MEGABYTE = 1 << 20


def sealed(data):
    """With a checksum that fits."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def field(*changes, kind="I"):
    """A damage: other values (at, value) in the header, and a checksum that fits."""

    def damage(data):
        data = bytearray(data)
        for at, value in changes:
            struct.pack_into(f"<{kind}", data, at, value)
        return sealed(bytes(data))

    return damage


def tensor(name, value):
    """A damage: another first word in a tensor."""

    def damage(data):
        at = struct.unpack_from("<I", data, 12)[0]
        for entry in layout(SMALL):
            if entry.name == name:
                return field((at, value))(data)
            at += entry.size
        raise KeyError(name)

    return damage


def text(old, new):
    return lambda data: sealed(data[:TEXTS] + data[TEXTS:].replace(old, new, 1))


def resized(change):
    """A damage of the length that the header's field follows."""

    def damage(data):
        data = change(data)
        return field((16, len(data)), kind="Q")(data)

    return damage


FLOAT = {name: struct.unpack("<I", struct.pack("<f", float(name)))[0] for name in ("nan", "inf", "-inf")}
# name -> damage, what the engine says, what Python's reader says if that is something else
DAMAGES = {
    "empty": (lambda data: b"", "expected at least 196 bytes, got 0"),
    "signature": (lambda data: sealed(b"\x89PNG" + data[4:]), "signature"),
    "line ends": (lambda data: data.replace(b"\r\n", b"\n", 1) + b"\0", "signature"),
    "version": (field((8, 2)), "version: expected 1, got 2"),
    "a byte": (lambda data: data[:5000] + bytes([data[5000] ^ 4]) + data[5001:], "checksum does not match"),
    "checksum": (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum does not match"),
    "bytes behind": (lambda data: data + b"\0", rf"size: expected {len(WHOLE)} .* header says, got"),
    "more bytes": (
        resized(lambda data: data + b"\0" * 4),
        rf"size: expected {len(WHOLE)} .* description says, got",
    ),
    "fewer bytes": (
        resized(lambda data: data[:-4]),
        rf"size: expected {len(WHOLE)} .* description says, got",
    ),
    "length": (field((16, 2**64 - 1), kind="Q"), f"size: expected {2**64 - 1} .* header says, got"),
    "longer header": (field((12, 224)), "header: expected what its texts take, got 224"),
    "shorter header": (field((12, 192)), "header: expected what its texts take, got 192"),
    "image": (field((24, 0)), "image size: expected 1 to 2048", "an image of the stem's kernel"),
    "large image": (field((24, 2049), (28, 2049)), "image size: expected 1 to 2048", "kernel to 2048"),
    "small image": (
        field((24, 3)),
        "image size: expected at least the stem's kernel",
        "an image of the stem",
    ),
    "resize": (field((28, 15)), "resize: expected at least the image", "resize from the image size"),
    "large resize": (field((28, 4097)), "resize: expected at least", "resize from the image size to 4096"),
    "kernel": (field((32, 65)), "stem kernel: expected 1 to 64, got 65", "kernel and stride 1 to 64"),
    "no kernel": (field((32, 0)), "stem kernel: expected 1 to 64, got 0", "kernel and stride 1 to 64"),
    "stride": (field((36, 0)), "stem stride: expected 1 to 64, got 0", "kernel and stride 1 to 64"),
    "padding": (field((40, 4)), "stem padding: expected less than the kernel", "padding below the kernel"),
    "no classes": (field((44, 0)), "classes: expected 1 to 1000000, got 0", "expected 1 to 1000000 classes"),
    "a billion classes": (field((44, 10**9)), "classes: expected 1 to 1000000", "1 to 1000000 classes"),
    "a million classes": (field((44, 10**6)), "size: expected .* as its description says"),
    "mean": (field((48, 1e300), kind="d"), "mean: expected at most 1000", "means of at most 1000"),
    "no mean": (field((56, np.nan), kind="d"), "mean: expected at most 1000", "means of at most 1000"),
    "std": (field((72, 0.0), kind="d"), "std: expected 0.001 to 1000", "stds of 0.001 to 1000"),
    "no std": (field((88, np.nan), kind="d"), "std: expected 0.001 to 1000", "stds of 0.001 to 1000"),
    "branches": (field((100, 65)), "branches: expected at most 64, got 65", "expected branches up to 64"),
    "odd branches": (field((96, 3)), "branches: expected even spatial counts, got 3", "spatial ones even"),
    "no branches": (field((104, 0), (108, 0)), "branches: expected one or more per block", "one or more per"),
    "another branch": (field((100, 2)), "size: expected .* as its description says"),
    "no stages": (field((112, 0)), "stages: expected 1 to 8, got 0"),
    "stages": (field((112, 9)), "stages: expected 1 to 8, got 9"),
    "variant's name": (field((116, 65)), "variant's name: expected at most 64 bytes, got 65"),
    "class names": (field((120, 2**32 - 1)), "header: expected what its texts take"),
    "reserved": (
        field((124, 1)),
        "reserved field: expected 0, got 1",
        "zeros in the fields that are not used",
    ),
    "unused width": (field((136, 4)), "unused stage: expected zeros, got 4", "zeros in the fields"),
    "unused depth": (field((188, 1)), "unused stage: expected zeros, got 1", "zeros in the fields"),
    "width": (field((128, 10)), "width: expected a multiple of 4 up to 16384, got 10", "multiples of 4"),
    "no width": (field((128, 0)), "width: expected a multiple of 4 up to 16384, got 0", "multiples of 4"),
    "another width": (field((132, 16)), "size: expected .* as its description says"),
    "depth": (field((160, 1001)), "depth: expected 1 to 1000, got 1001", "depths of 1 to 1000"),
    "no depth": (field((160, 0)), "depth: expected 1 to 1000, got 0", "depths of 1 to 1000"),
    "large maps": (
        field((24, 2048), (28, 2048), (36, 1)),
        "maps of a stage: expected at most 67108864",
        "maps of at most",
    ),
    "many rows": (
        field((24, 1600), (28, 1600), (160, 1000), (164, 1000)),
        "rows of local FCs: expected at most 67108864",
        "rows of local FCs of at most",
    ),
    "not UTF-8": (text(b"\xc3\xa7", b"\xc3\x28"), "texts: expected UTF-8"),
    "longer than UTF-8": (text(b"\xc3\xa7", b"\xc1\xa7"), "texts: expected UTF-8"),
    "cut UTF-8": (text(b"d\n", b"\xc3\n"), "texts: expected UTF-8"),
    "UTF-8 across texts": (text(b"small", b"smal\xc3"), "texts: expected UTF-8"),
    "control character": (text(b"b\n", b"\x1b\n"), "without control characters"),
    "two lines": (
        text(b"small", b"sma\nl"),
        "variant's name: expected one line",
        "without control characters",
    ),
    "a name too few": (text(b"b\n", b"bb"), "class names: expected none or 3"),
    "a name too many": (text(b"b\n", b"\n\n"), "class names: expected none or 3"),
    "no last line feed": (text(b" d\n", b"\ndd"), "class names: expected a line feed behind the last one"),
    "filling": (field((207, 1), kind="B"), "filling: expected zeros, got"),
    "NaN": (tensor("stem.weight", FLOAT["nan"]), "expected finite numbers"),
    "infinity": (tensor("head.bias", FLOAT["inf"]), "expected finite numbers"),
    "minus infinity": (tensor("stages.0.0.block2.merge", FLOAT["-inf"]), "expected finite numbers"),
    "bits": (
        tensor("stages.0.0.block1.projection.weight", 1 << 8),
        "expected zeros behind the last bit of a row",
    ),
}


@pytest.fixture
def load(tmp_path):
    """load(data): the engine of a file with these bytes."""

    def load(data):
        path = tmp_path / "model.packed"
        path.write_bytes(data)
        return Engine.load(path)

    return load


def test_undamaged_files_are_read(load):
    for name, description in DESCRIPTIONS.items():
        data = packed(name)
        assert decode(data)[0] == description
        with load(data) as engine:
            assert engine.description["class_names"] == list(description.class_names)
            size = description.image_size
            logits = engine.logits(np.zeros((2, size, size, 3), np.uint8))
        assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused_and_the_fault_named(name, load):
    damage, engine_says, *python_says = DAMAGES[name]
    data = damage(WHOLE)
    assert data != WHOLE
    with pytest.raises(InputError, match=rf"model\.packed: packed file: .*{engine_says}"):
        load(data)
    with pytest.raises(InputError, match=f"some.packed: .*{(python_says or [engine_says])[0]}"):
        decode(data, "some.packed")


def test_a_file_that_is_cut_off_is_refused_wherever_it_was_cut(load):
    for end in (*range(0, 300, 7), *range(300, len(WHOLE), 997), *range(len(WHOLE) - 9, len(WHOLE))):
        for data in (WHOLE[:end], resized(lambda data: data)(WHOLE[:end]) if end > 200 else b""):
            with pytest.raises(InputError, match="packed file"):
                load(data)
            with pytest.raises(InputError, match="packed file"):
                decode(data)


def test_files_that_are_none_are_named(tmp_path):
    with pytest.raises(InputError, match="here.packed: expected a file, got: No such file"):
        Engine.load(tmp_path / "here.packed")
    with pytest.raises(InputError, match="expected a file, got: Is a directory"):
        Engine.load(tmp_path)
    with pytest.raises(InputError, match="expected a file, got: No such file"):
        Engine.load(tmp_path / "\udcff.packed")


def limited(engine_build, megabytes, *arguments):
    """Output of bimlp_run when it may use so many megabytes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE,) * 2)

    done = subprocess.run(
        [engine_build / "bimlp_run", *arguments],
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done
    return done.stderr


def test_a_small_file_takes_little_memory_whatever_it_claims(engine_build, tmp_path):
    path = tmp_path / "model.packed"
    claims = [field((at, 2**32 - 1)) for at in (*range(8, 48, 4), *range(96, 192, 4))]
    claims += [field((at, np.nan), kind="d") for at in range(48, 96, 8)]
    claims += [field((44, 10**6)), field((128, 16384), (132, 16384)), field((160, 1000)), field((100, 64))]
    for claim in claims:
        path.write_bytes(claim(WHOLE))
        assert "packed file: " in limited(engine_build, 48, path, "image")
        with pytest.raises(InputError):
            decode(path.read_bytes())


def test_the_largest_maps_take_half_a_gigabyte(engine_build, tmp_path):
    path = tmp_path / "model.packed"
    one = replace(SMALL, stem=(1, 1, 0), depths=(1,), branches=(0, 1, 0, 1))
    for description in (
        replace(one, widths=(4,), image_size=788, resize=788),
        replace(one, widths=(4, 64), depths=(1, 1), image_size=482, resize=482),
        replace(one, widths=(4,), branches=(0, 1, 64, 0), image_size=166, resize=166),
    ):
        path.write_bytes(encode(description, random_tensors(description)))
        assert "image: expected a file" in limited(engine_build, 512 + 32, path, "image")
        larger = replace(description, image_size=description.image_size + 1, resize=2000)
        with pytest.raises(ValueError, match="maps of at most"):
            encode(larger, {})


def test_threads_that_the_system_has_not_got_are_an_error(engine_build, tmp_path):
    path = tmp_path / "model.packed"
    path.write_bytes(WHOLE)
    assert "model.packed: " in limited(engine_build, 200, "--threads", "256", path, "image")


def test_logits_that_are_not_finite_are_an_error(load):
    tensors = random_tensors(SMALL)
    tensors["head.weight"] = np.full_like(tensors["head.weight"], 3e38)
    tensors["norm.factor"] = np.full_like(tensors["norm.factor"], 3e38)
    said = "image 0: the network's logits are not finite"
    with load(encode(SMALL, tensors)) as engine, pytest.raises(InputError, match=said):
        engine.logits(np.zeros((2, 16, 16, 3), np.uint8))


def test_any_class_name_comes_through(load):
    names = ('say "a\\b"', "größer ≥ 猫 🐈", "")
    description = replace(SMALL, class_names=names, variant='"')
    data = encode(description, random_tensors(description))
    with load(data) as engine:
        assert engine.description["class_names"] == list(names) and engine.description["variant"] == '"'
    assert decode(data)[0] == description


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "\x7f", "\udcff"])
def test_a_class_name_that_a_file_cannot_hold_is_not_written(name):
    description = replace(SMALL, class_names=("a", name, "c"))
    with pytest.raises(ValueError, match="UTF-8 without control characters"):
        encode(description, random_tensors(description))


def test_the_c_interface_refuses_what_is_not_there(load):
    c, handle = library(), ctypes.c_void_p()
    numbers, pixels = (ctypes.c_float * 2304)(), (ctypes.c_uint8 * 2304)()

    def fails(code, said):
        assert code == 1 and said in c.bimlp_last_error().decode()

    fails(c.bimlp_open(None, 1, ctypes.byref(handle)), "path: expected a pointer")
    fails(c.bimlp_open_bytes(None, 300, 1, ctypes.byref(handle)), "bytes: expected a pointer")
    fails(c.bimlp_open_bytes(WHOLE, len(WHOLE), 1, None), "engine: expected a pointer")
    for threads in (-1, 0, 257, 2**31 - 1):
        fails(
            c.bimlp_open_bytes(WHOLE, len(WHOLE), threads, ctypes.byref(handle)), "threads: expected 1 to 256"
        )
    with load(WHOLE) as engine:
        for run, images in ((c.bimlp_run_pixels, pixels), (c.bimlp_run_numbers, numbers)):
            fails(run(None, images, 1, numbers), "engine: expected a pointer")
            fails(run(engine.handle, images, -1, numbers), "count: expected 0 or more images, got -1")
            fails(run(engine.handle, images, -(2**31), numbers), "count: expected 0 or more")
            fails(run(engine.handle, None, 1, numbers), "images: expected a pointer")
            fails(run(engine.handle, images, 1, None), "logits: expected a pointer")
            assert run(engine.handle, None, 0, None) == 0
    c.bimlp_close(None)


def test_bytes_may_lie_anywhere():
    c, handle = library(), ctypes.c_void_p()
    room = ctypes.create_string_buffer(len(WHOLE) + 4)
    for shift in range(4):
        ctypes.memmove(ctypes.addressof(room) + shift, WHOLE, len(WHOLE))
        at = ctypes.cast(ctypes.addressof(room) + shift, ctypes.c_char_p)
        assert c.bimlp_open_bytes(at, len(WHOLE), 1, ctypes.byref(handle)) == 0
        c.bimlp_close(handle)
