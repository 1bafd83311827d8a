"""Numbers that are finite in a file or an image and lead to others: an error of that call, wherever they arise."""

import ctypes
import ctypes.util

import numpy as np
import pytest

from scripts.fuzz_graphs import open_bytes
from src.common.errors import InputError
from src.engine.library import library
from src.graph.ir import GraphBuilder
from tests.engine.left_out import not_emulated
from tests.graph.packed_files import packed as bytes_of

SAID = "the network's logits are not finite, or numbers that lead to them"
SIZE = 16
WINDOW = {"stride": 1, "padding": (0,) * 4, "groups": 1}
ALL_FLAGS = 0x3D  # floating-point exceptions of x86: invalid, zero divide, overflow, underflow, inexact


@pytest.fixture
def load(packed, engine):
    """load(threads=1): the engine of a small BiMLP."""
    return lambda threads=1: engine(packed(size=SIZE).path, threads)


def huge(place):
    """Three images of which the middle one has a pixel close to the largest number."""
    images = np.random.default_rng(0).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)
    images[1, 0, place, 7] = 3.3e38
    return images


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_image_that_leads_to_infinities_is_an_error_of_its_call_alone(
    instruction_set, plan, threads, load
):
    one = load(threads)
    images = huge(0)
    good = images[[0, 2, 0]]
    expected = one.logits(good)
    for place in range(SIZE):
        for given, number in ((huge(place), 1), (huge(place)[1:2], 0)):
            with pytest.raises(InputError, match=f"image {number}: {SAID}"):
                one.logits(given)
    np.testing.assert_array_equal(one.logits(good), expected)


def signs_of(op, *inputs, **arguments):
    """Bytes of a network that reads the signs alone of what an operation makes of numbers close to the largest."""
    builder = GraphBuilder((3, 4, 4))
    builder.add("affine", 0, factor=[1e38], offset=[0])
    value = builder.add("binarize", builder.add(op, *inputs, **arguments), levels=(-1, 1), threshold=[0])
    weight = np.ones((3, builder.shapes[value][0], 1, 1), bool)
    builder.add("global_mean", builder.add("binary_conv2d", value, weight=weight, pad_value=0, **WINDOW))
    return bytes_of(builder.graph())


HIDDEN = {
    "affine": lambda: signs_of("affine", 1, factor=[3], offset=[0]),
    "mul": lambda: signs_of("mul", 1, 1),
    "prelu": lambda: signs_of("prelu", 1, positive=[9], negative=[9]),
    "conv2d": lambda: signs_of("conv2d", 1, weight=np.full((8, 3, 1, 1), 9), **WINDOW),
    "add": lambda: signs_of("add", 1, 1),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_an_infinity_of_which_only_the_sign_is_read_is_an_error(instruction_set, plan, name):
    with open_bytes(HIDDEN[name]()) as engine:
        small = np.full((2, 3, 4, 4), 1e-20, np.float32)
        large = np.full((2, 3, 4, 4), 3.0, np.float32)
        assert np.isfinite(engine.logits(small)).all()
        with pytest.raises(InputError, match=f"image 0: {SAID}"):
            engine.logits(large)
        assert np.isfinite(engine.logits(small)).all()


def test_a_factor_whose_product_is_not_finite_is_an_error_of_the_file(instruction_set, monkeypatch):
    """Sums of bits have their factor in them when they are planned."""
    builder = GraphBuilder((3, 4, 4))
    value = builder.add("binarize", 0, levels=(-1, 1), threshold=[0])
    value = builder.add("binary_conv2d", value, weight=np.ones((3, 3, 1, 1), bool), pad_value=0, **WINDOW)
    builder.add("global_mean", builder.add("affine", value, factor=[3e38], offset=[0]))
    data = bytes_of(builder.graph())
    with pytest.raises(
        InputError, match="packed file: expected numbers whose products with the number of inputs are finite"
    ):
        open_bytes(data)
    monkeypatch.setenv("BIMLP_PLAN", "plain")
    with open_bytes(data) as engine, pytest.raises(InputError, match=f"image 0: {SAID}"):
        engine.logits(np.ones((1, 3, 4, 4), np.float32))


@pytest.mark.parametrize("threads", [1, 2])
def test_after_an_error_no_logit_is_a_number(load, plan, threads):
    one = load(threads)
    for bad in (huge(0), np.where(huge(0) > 1e38, np.float32(np.nan), huge(0))):
        logits = np.zeros((3, 3), np.float32)
        numbers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in (bad, logits)]
        assert library().bimlp_run_numbers(one.handle, numbers[0], 3, numbers[1]) == 1
        assert np.isnan(logits).all()


@not_emulated("the flags are those of this process")
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_program_has_computed_is_not_the_networks(load, threads):
    """The program's arithmetic leaves its marks in the flags by which the engine sees an infinity, and finds them again."""
    one, images = load(threads), huge(0)[[0, 2, 0]]
    expected, logits, c = (
        one.logits(images),
        np.zeros((3, 3), np.float32),
        ctypes.CDLL(ctypes.util.find_library("m")),
    )
    numbers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in (images, logits)]
    c.feraiseexcept(ALL_FLAGS)
    failed = library().bimlp_run_numbers(one.handle, numbers[0], 3, numbers[1])
    flags = c.fetestexcept(ALL_FLAGS)
    c.feclearexcept(ALL_FLAGS)
    assert (failed, flags) == (0, ALL_FLAGS)
    np.testing.assert_array_equal(logits, expected)


def test_tiny_numbers_of_full_precision_are_no_error(instruction_set, plan):
    builder = GraphBuilder((3, 6, 6))
    wide = builder.add("conv2d", 0, weight=np.ones((64, 3, 1, 1), np.float32), **WINDOW)
    tiny = builder.add("affine", wide, factor=[1e-35], offset=[0])
    narrow = builder.add("conv2d", tiny, weight=np.ones((8, 64, 1, 1), np.float32), **WINDOW)
    builder.add("global_mean", builder.add("affine", narrow, factor=[1], offset=[1]))
    with open_bytes(bytes_of(builder.graph())) as one:
        np.testing.assert_array_equal(
            one.logits(np.ones((1, 3, 6, 6), np.float32)), np.ones((1, 8), np.float32)
        )
