"""Damaged and hostile packed files in the engine: named errors, little memory, no end of the process.

Which fault has which message: tests/graph/packed_faults.py, for both readers in test_graphs.py and tests/deploy.
"""

import ctypes
import os
import resource
import subprocess

import numpy as np
import pytest

from scripts.fuzz_graphs import open_bytes
from src.common.errors import InputError
from src.deploy.packed_file import decode
from src.engine import Engine
from src.engine.library import library
from src.graph import run_reference
from src.graph.ir import GraphBuilder
from src.graph.limits import MAX_NODES
from tests.engine.conftest import PLANS
from tests.engine.left_out import OF_MEMORY
from tests.graph.packed_faults import FAULTS, PARTS, WHOLE, field
from tests.graph.packed_files import packed

MEGABYTE = 1 << 20
WINDOW = {"stride": 1, "padding": (0,) * 4, "groups": 1}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.packed"


@pytest.mark.parametrize("name", ["empty", "checksum", "image", "operation", "not UTF-8"])  # one of each part
def test_a_fault_is_told_with_the_name_of_the_file(name, path):
    damage, said, *_ = FAULTS[name]
    path.write_bytes(damage())
    with pytest.raises(InputError, match=f"^{path}: packed file: .*{said}"):
        Engine.load(path)


def test_files_that_are_none_are_named(tmp_path):
    with pytest.raises(InputError, match="here.packed: expected a file, got: No such file"):
        Engine.load(tmp_path / "here.packed")
    with pytest.raises(InputError, match="expected a file, got: Is a directory"):
        Engine.load(tmp_path)
    with pytest.raises(InputError, match="expected a file, got: No such file"):
        Engine.load(tmp_path / "\udcff.packed")


def limited(engine_build, megabytes, *arguments, plan="fused"):
    """Output of bimlp_run when it may use so many megabytes."""

    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * MEGABYTE,) * 2)

    done = subprocess.run(
        [engine_build / "bimlp_run", *arguments],
        preexec_fn=limit,
        env={**os.environ, "BIMLP_PLAN": plan},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done
    return done.stderr


def claims():
    """Files that claim much: the largest number at each place of the header and of each node."""
    for at in (*range(8, 32, 4), *range(80, 96, 4)):
        yield field(at, 2**32 - 1)()
    for at in range(32, 80, 8):
        yield field(at, np.nan, "d")()
    for node, words in enumerate(PARTS.nodes):
        for place in range(len(words)):
            is_pad_value = place == PARTS.places[node].get(
                "pad_value"
            )  # of which the bits 2^16 are one as others
            for claim in (2**32 - 1,) if is_pad_value else (2**32 - 1, 2**16):
                parts = PARTS.copy()
                parts.nodes[node][place] = claim
                yield parts.data()


@OF_MEMORY
def test_a_small_file_takes_little_memory_whatever_it_claims(engine_build, path):
    for data in claims():
        path.write_bytes(data)
        assert "packed file: " in limited(engine_build, 48, path, "image")
        with pytest.raises(InputError):
            decode(data)


def largest_maps():
    """Graph of 2^26 numbers: an image of 2^20 positions, 16 numbers each, and 48 channels."""
    builder = GraphBuilder((3, 1024, 1024))
    value = builder.add("conv2d", 0, weight=np.ones((48, 3, 1, 1)), **WINDOW)
    builder.add("global_mean", value)
    return builder.graph()


def chain(nodes, add):
    """Graph of so many nodes, each on the one before."""
    builder, value = GraphBuilder((3, 2, 2)), 0
    for i in range(nodes - 1):
        value = add(builder, value, i)
    builder.add("global_mean", value)
    return builder.graph()


CHAINS = {
    "affine": lambda b, v, i: b.add("affine", v, factor=[1 - 2 * (i % 3 > 0)], offset=[i % 5 - 2]),
    "add": lambda b, v, i: b.add("add", v, 0),
    "sums": lambda b, v, i: (
        b.add("add", *((v, 0) if i % 4 > 1 else (0, v)))
        if i % 2
        else b.add("affine", v, factor=[1], offset=[i % 5 - 2])
    ),
    "add twice": lambda b, v, i: (
        b.add("add", v, v) if i % 2 else b.add("affine", v, factor=[0.5], offset=[0])
    ),
    "conv2d": lambda b, v, i: b.add("conv2d", v, weight=np.eye(3).reshape(3, 3, 1, 1), **WINDOW),
    "bits": lambda b, v, i: (
        b.add("binary_conv2d", v, weight=np.eye(3).reshape(3, 3, 1, 1) > 0, pad_value=0, **WINDOW)
        if i % 2
        else b.add("binarize", v, levels=(-1, 1), threshold=[0])
    ),
}


@OF_MEMORY
@pytest.mark.parametrize("plan", PLANS)
def test_the_largest_maps_take_half_a_gigabyte(engine_build, path, plan):
    path.write_bytes(packed(largest_maps()))
    assert "image: expected a file" in limited(engine_build, 512, path, "image", plan=plan)


@OF_MEMORY
@pytest.mark.parametrize("name", CHAINS)
def test_as_many_nodes_as_a_file_can_hold(engine_build, path, name):
    path.write_bytes(packed(chain(MAX_NODES, CHAINS[name])))
    for plan in PLANS:
        assert "image: expected a file" in limited(engine_build, 700, path, "image", plan=plan)


@pytest.mark.parametrize("name", CHAINS)
def test_a_long_chain_is_computed_as_in_the_reference(name, plan):
    graph = chain(201, CHAINS[name])
    images = np.random.default_rng(0).integers(-8, 9, (2, 3, 2, 2)).astype(np.float32)
    with open_bytes(packed(graph)) as engine:
        np.testing.assert_array_equal(engine.logits(images), run_reference(graph, images))


@OF_MEMORY
def test_threads_that_the_system_has_not_got_are_an_error(engine_build, path):
    path.write_bytes(WHOLE)
    assert "model.packed: " in limited(engine_build, 200, "--threads", "256", path, "image")


def test_any_class_name_comes_through(path):
    names = ('say "a\\b"', "größer ≥ 猫 🐈", "")
    builder = GraphBuilder((3, 1, 1))
    builder.add("global_mean", 0)
    path.write_bytes(packed(builder.graph(), class_names=names, variant='"'))
    with Engine.load(path) as engine:
        assert engine.description["class_names"] == list(names) and engine.description["variant"] == '"'


def test_the_c_interface_refuses_what_is_not_there():
    c, handle = library(), ctypes.c_void_p()
    numbers, pixels = (ctypes.c_float * 192)(), (ctypes.c_uint8 * 192)()

    def fails(code, said):
        assert code == 1 and said in c.bimlp_last_error().decode()

    fails(c.bimlp_open(None, 1, ctypes.byref(handle)), "path: expected a pointer")
    fails(c.bimlp_open_bytes(None, 300, 1, ctypes.byref(handle)), "bytes: expected a pointer")
    fails(c.bimlp_open_bytes(WHOLE, len(WHOLE), 1, None), "engine: expected a pointer")
    for threads in (-1, 0, 257, 2**31 - 1):
        fails(
            c.bimlp_open_bytes(WHOLE, len(WHOLE), threads, ctypes.byref(handle)), "threads: expected 1 to 256"
        )
    with open_bytes(WHOLE) as engine:
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
