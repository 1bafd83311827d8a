"""BiMLP in the engine: against the reference, on every instruction set, plan and number of threads; and bad input."""

import numpy as np
import pytest

from src.common.errors import InputError
from src.data.transform import Normalize
from src.graph.ops import OPS
from tests.graph.networks import images

# settings of networks; of the last three each lacks another kind of branch
NETWORKS = [
    {},
    {"widths": (4,), "depths": (2,), "size": 3},
    {"widths": (36, 68, 320), "depths": (1, 1, 1), "size": 18},
    {"branches": (4, 2, 2, 3), "size": 13},
    {"branches": (0, 1, 2, 0), "size": 13},
    {"branches": (2, 0, 0, 1), "size": 9, "stem": (7, 4, 2)},
]


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
def test_logits_are_those_of_the_reference(instruction_set, plan, settings, packed, engine):
    case = packed(**settings)
    found = engine(case.path).logits(case.images)
    np.testing.assert_allclose(found, case.logits, rtol=0, atol=1e-5 * np.abs(case.logits).max())


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_and_batches_do_not_change_a_bit(instruction_set, plan, packed, engine, threads):
    case = packed(widths=(36, 68, 320), depths=(1, 1, 1), size=18)
    one, several = engine(case.path), engine(case.path, threads)
    expected = np.concatenate([one.logits(image[None]) for image in case.images])
    np.testing.assert_array_equal(one.logits(case.images), expected)
    for count in (1, 4, 5):
        np.testing.assert_array_equal(several.logits(case.images[:count]), expected[:count])
    assert several.description["threads"] == threads


@pytest.mark.parametrize("stem", [(7, 4, 2), (3, 2, 1), (2, 2, 0)], ids=str)
def test_pixels_are_normalised_as_in_evaluation(instruction_set, plan, stem, packed, engine):
    case = packed(stem=stem)
    pixels = np.random.default_rng(2).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    numbers = Normalize(case.description)(pixels.transpose(0, 3, 1, 2))
    one = engine(case.path)
    expected = one.logits(numbers)
    np.testing.assert_allclose(one.logits(pixels), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_array_equal(one.logits(numbers), expected)  # pixels leave nothing behind


def test_a_profile_has_the_time_of_each_kind_of_work(packed, engine):
    case = packed(widths=(32, 64))  # waves are one instruction for multiples of 32 channels
    seconds = engine(case.path).profile(case.images)
    idle = {kind for kind, time in seconds.items() if not kind.startswith("plain") and not time}
    assert len(seconds) == 9 + len(OPS) and idle == {"binary windows"}  # BiMLP has no such layer
    assert {kind.removeprefix("plain ") for kind in seconds if kind.startswith("plain")} == set(OPS)
    with pytest.raises(InputError, match="profile: expected an engine of one thread, got 2"):
        engine(case.path, 2).profile(case.images)


# --- bad input ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_an_error(packed, engine, value):
    x = images(2, 32)
    x[1, 2, 31, 31] = value
    with pytest.raises(InputError, match="image 1: expected finite numbers, got"):
        engine(packed().path).logits(x)


@pytest.mark.parametrize("shape,kind", [((1, 3, 31, 32), np.float32), ((3, 32, 32), np.float32), ((1, 3, 32, 32), np.uint8),
                                        ((1, 3, 32, 32), np.float64), ((1, 32, 32, 3), np.float32)])  # fmt: skip
def test_images_of_another_shape_or_type_are_refused(packed, engine, shape, kind):
    with pytest.raises(
        InputError, match=r"images: expected uint8 \(B, 32, 32, 3\) or float32 \(B, 3, 32, 32\), got"
    ):
        engine(packed().path).logits(np.zeros(shape, kind))


def test_no_images_give_no_logits(packed, engine):
    assert engine(packed().path, 2).logits(np.zeros((0, 3, 32, 32), np.float32)).shape == (0, 3)


def test_a_closed_engine_says_so(packed, engine):
    one = engine(packed().path)
    one.close()
    one.close()
    with pytest.raises(InputError, match="it is closed"):
        one.logits(images(1, 32))


@pytest.mark.parametrize("threads", [0, -1, 257])
def test_threads_are_1_to_256(packed, engine, threads):
    with pytest.raises(InputError, match=f"threads: expected 1 to 256, got {threads}"):
        engine(packed().path, threads)


def test_an_instruction_set_is_never_replaced_in_silence(packed, engine, monkeypatch):
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", "altivec")
    with pytest.raises(
        InputError, match="expected one of amx, avx512, avx2, neon_dot, neon, scalar, got altivec"
    ):
        engine(packed().path)
    monkeypatch.setenv("BIMLP_INSTRUCTION_SET", "scalar")
    assert engine(packed().path).description["instruction_set"] == "scalar"


def test_a_plan_is_never_replaced_in_silence(packed, engine, monkeypatch):
    monkeypatch.setenv("BIMLP_PLAN", "fast")
    with pytest.raises(InputError, match="BIMLP_PLAN: expected plain or fused, got fast"):
        engine(packed().path)


def test_an_engine_describes_itself(plan, packed, engine):
    case = packed()
    found = engine(case.path).description
    for key in ("variant", "image_size", "resize"):
        assert found[key] == getattr(case.description, key)
    for key in ("mean", "std", "class_names"):
        assert tuple(found[key]) == getattr(case.description, key)
    assert (found["classes"], found["nodes"]) == (3, len(case.graph.nodes))
