"""Numbers that are finite in a file or an image and lead to others: an error of that call, wherever they arise."""

import ctypes

import numpy as np
import pytest

from scripts.fuzz_seeds import DESCRIPTIONS, random_tensors
from src.common.errors import InputError
from src.deploy.packed_file import encode
from src.engine import Engine
from src.engine.inspect import TRACE
from src.engine.library import library

SMALL = DESCRIPTIONS["small"]
HIDDEN = "stages.0.0.block1.reweight.fc1"  # of which later layers read signs alone
SAID = "the network's logits are not finite, or numbers that lead to them"
BLACK = np.zeros((2, 16, 16, 3), np.uint8)


@pytest.fixture
def load(tmp_path):
    """load(threads=1, tensor=value, ..): the engine of a small network with other values throughout a tensor."""

    def load(threads=1, **changes):
        tensors = random_tensors(SMALL)
        for name, value in changes.items():
            tensors[name] = np.full_like(tensors[name], value)
        path = tmp_path / "model.packed"
        path.write_bytes(encode(SMALL, tensors))
        return Engine.load(path, threads)

    return load


def huge(place):
    """Three images of which the middle one has a pixel close to the largest number."""
    images = np.random.default_rng(0).normal(size=(3, 3, 16, 16)).astype(np.float32)
    images[1, 0, place, 7] = 3.3e38
    return images


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_image_that_leads_to_infinities_is_an_error_of_its_call_alone(instruction_set, threads, load):
    with load(threads) as engine:
        images = huge(0)
        good = images[[0, 2, 0]]
        expected = engine.logits(good)
        for place in range(16):
            for given, number in ((huge(place), 1), (huge(place)[1:2], 0)):
                with pytest.raises(InputError, match=f"image {number}: {SAID}"):
                    engine.logits(given)
        np.testing.assert_array_equal(engine.logits(good), expected)


def test_an_infinity_of_which_only_the_sign_is_read_is_an_error(instruction_set, load):
    changes = {f"{HIDDEN}.offset": 3e38, f"{HIDDEN}.shift_out": 3e38}
    with load(**changes) as engine, pytest.raises(InputError, match=f"image 0: {SAID}"):
        engine.logits(BLACK)


def test_a_factor_whose_product_is_not_finite_is_an_error_of_the_file(load):
    said = (
        "packed file: expected numbers whose products with the number of inputs are finite, got larger ones"
    )
    with pytest.raises(InputError, match=f"model.packed: {said}"):
        load(**{f"{HIDDEN}.factor": 3e38})


@pytest.mark.parametrize("threads", [1, 2])
def test_after_an_error_no_logit_is_a_number(load, threads):
    with load(threads) as engine:
        for bad in (huge(0), np.where(huge(0) > 1e38, np.float32(np.nan), huge(0))):
            logits = np.zeros((3, 3), np.float32)
            numbers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in (bad, logits)]
            assert library().bimlp_run_numbers(engine.handle, numbers[0], 3, numbers[1]) == 1
            assert np.isnan(logits).all()


def test_what_a_tracing_function_computes_is_not_the_networks(load):
    """Python's own arithmetic leaves its marks in the flags by which the engine sees an infinity."""

    @TRACE
    def overflow(*_):
        with np.errstate(all="ignore"):
            np.float32(3e38) * np.full(64, 10, np.float32)

    with load() as engine:
        image, logits = huge(0)[0], np.zeros(3, np.float32)
        numbers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) for array in (image, logits)]
        assert library().bimlp_trace(engine.handle, numbers[0], overflow, None, numbers[1]) == 0
        np.testing.assert_array_equal(logits, engine.logits(image[None])[0])
