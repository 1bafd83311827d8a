"""Binary layers by themselves, on every instruction set: their integer sums, their borders, and odd numbers."""

import numpy as np
import pytest

from src.engine.inspect import channel_layer, local_layer

SIZES = (1, 31, 32, 33, 63, 64, 65, 80, 127, 320, 2048)
TAPS = 7


def plain(inputs, outputs, weight, shift=0.0):
    """Tensors of a layer that gives its sums: factor and slope 1, everything else 0."""
    numbers = {"factor": np.ones(outputs), "offset": np.zeros(outputs), "slope": np.ones(outputs)}
    return {"shift": np.full(inputs, shift), "weight": weight, **numbers, "shift_out": np.zeros(outputs)}


def signs(x):
    return np.where(x > 0, 1, -1)


@pytest.mark.parametrize("inputs", SIZES)
@pytest.mark.parametrize("tokens", [1, 3, 17, 70])
def test_channel_sums_are_exact(instruction_set, inputs, tokens):
    random = np.random.default_rng(inputs + tokens)
    for outputs in (1, 33, 80):
        x, weight = random.normal(size=(tokens, inputs)), random.random((outputs, inputs)) < 0.5
        expected = signs(x) @ np.where(weight, 1, -1).T
        found = channel_layer(instruction_set, plain(inputs, outputs, weight), x, np.zeros((tokens, outputs)))
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("inputs", [64, 2048])
@pytest.mark.parametrize("positive", [True, False])
def test_the_largest_sums(instruction_set, inputs, positive):
    weight = np.ones((16, inputs), bool)
    x = np.full((5, inputs), 1.0 if positive else -1.0)
    found = channel_layer(instruction_set, plain(inputs, 16, weight), x, np.zeros((5, 16)))
    assert (found == (inputs if positive else -inputs)).all()


@pytest.mark.parametrize("axis", ["height", "width"])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("channels", [1, 31, 32, 33, 64, 80, 127])
def test_local_sums_are_exact_up_to_the_borders(instruction_set, axis, group, channels):
    """A tap outside of the map adds nothing; maps smaller than the window as well."""
    random = np.random.default_rng(channels)
    for size in (1, 2, 3, 4, 7, 9):
        x = random.normal(size=(size, size, group * channels))
        weight = random.random((TAPS * group, channels)) < 0.5
        expected = local_sums(signs(x), np.where(weight, 1, -1), axis, group)
        found = local_layer(
            instruction_set, plain(group * channels, channels, weight), axis, x, np.zeros(expected.shape)
        )
        np.testing.assert_array_equal(found, expected)


def local_sums(bits, weight, axis, group):
    """By the definition: every tap of every position in turn."""
    size, _, inputs = bits.shape
    sums = np.zeros((size, size, inputs // group))
    for place in range(size):
        for tap in range(TAPS):
            source = place + tap - TAPS // 2
            if not 0 <= source < size:
                continue
            for g in range(group):
                line = bits[source] if axis == "height" else bits[:, source]
                added = line[:, g::group] * weight[TAPS * g + tap]
                if axis == "height":
                    sums[place] += added
                else:
                    sums[:, place] += added
    return sums


# 0, -0.0, the smallest denormal either way, the smallest normal number either way
SPECIAL = np.float32([0.0, -0.0, 1e-45, -1e-45, 1.1754944e-38, -1.1754944e-38, 1.0, -1.0])


@pytest.mark.parametrize("shift", [0.0, -0.0, 1.0, -1.0])
def test_signs_of_zeros_and_denormals(instruction_set, shift):
    """sign(0) = sign(-0.0) = -1, also where x + shift is 0; a denormal has its own sign."""
    x = np.tile(SPECIAL, (3, 5))
    inputs = x.shape[1]
    single = np.eye(inputs, dtype=bool)  # output o: the sum of -x_i for i != o, and + x_o
    with np.errstate(under="ignore"):
        bits = signs(x + np.float32(shift))
    expected = bits @ np.where(single, 1, -1).T
    found = channel_layer(instruction_set, plain(inputs, inputs, single, shift), x, np.zeros(x.shape))
    np.testing.assert_array_equal(found, expected)


def test_what_follows_the_sum(instruction_set):
    """RPReLU(factor * sum + offset + shortcut), with factors that are negative, 0, -0.0 and denormal."""
    random = np.random.default_rng(1)
    inputs, outputs, tokens = 65, 48, 11
    tensors = plain(inputs, outputs, random.random((outputs, inputs)) < 0.5)
    tensors["factor"] = np.resize(np.float32([0.1, -0.2, 0.0, -0.0, 1e-40, 0.3]), outputs)
    for name in ("offset", "slope", "shift_out"):
        tensors[name] = random.normal(size=outputs).astype(np.float32)
    tensors["offset"][:6] = 0  # with factor 0 and no shortcut the value is exactly 0: the lower branch
    x, shortcut = (
        random.normal(size=(tokens, inputs)),
        random.normal(size=(tokens, outputs)).astype(np.float32),
    )
    shortcut[:, :6] = 0
    t = (signs(x) @ np.where(tensors["weight"], 1, -1).T) * np.float64(tensors["factor"])
    t = t + tensors["offset"] + shortcut
    expected = np.where(t > 0, t, tensors["slope"] * t) + tensors["shift_out"]
    found = channel_layer(instruction_set, tensors, x, shortcut)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)
