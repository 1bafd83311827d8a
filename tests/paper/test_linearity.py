"""Linearity of binary convolutions: the measure against its definition, and on networks."""

import numpy as np
import pytest

from src.model import create_model
from src.paper.linearity import linearity, linearity_table, r_squared, weight_error
from tests.model.conftest import images, scramble

SMALL = {"widths": (8, 16), "depths": (1, 1), "backend": "plain"}


def test_r_squared_is_that_of_the_least_squares_line():
    random = np.random.default_rng(0)
    x = random.normal(3, 2, (4, 200))
    y = np.stack([0.5 * x[0] - 7, np.sign(x[1] - 3), random.normal(size=200), x[3] ** 2])
    expected = []
    for u, v in zip(x, y):
        residual = v - np.polyval(np.polyfit(u, v, 1), u)
        expected.append(1 - residual.var() / v.var())
    np.testing.assert_allclose(r_squared(x, y), expected, atol=1e-10)
    assert expected[0] > 1 - 1e-12 and 0.5 < expected[1] < 0.8 and expected[2] < 0.05


def test_constants_have_their_limits():
    varied, constant = np.arange(5.0)[None], np.ones((1, 5))
    assert r_squared(varied, constant) == 1 == r_squared(constant, constant)
    assert r_squared(constant, varied) == 0


def test_error_of_weights():
    """With signs the best factor is the mean of |w|."""
    w = np.array([[1.0, -1.0, 3.0, -3.0], [2.0, 2.0, -2.0, 2.0]])
    assert weight_error(w, np.sign(w)) == pytest.approx((4 / 20 + 0) / 2)
    assert weight_error(w, 7 * w) == pytest.approx(0)
    normal = np.random.default_rng(1).normal(size=(4, 50_000))
    assert weight_error(normal, np.sign(normal)) == pytest.approx(1 - 2 / np.pi, abs=5e-3)


def test_a_layer_in_full_precision_is_linear_and_a_binary_one_is_not():
    found = {}
    for precision in ("fp32", "binary"):
        network = scramble(create_model("bimlp_t", 10, precision, groups=2, **SMALL))
        found[precision] = {name: values for name, _, values in linearity(network, [images(8, 32)] * 2)}
    assert found["fp32"].keys() == found["binary"].keys() and len(found["fp32"]) == 28
    assert all(values.min() > 1 - 1e-5 for values in found["fp32"].values())
    assert np.mean([values.mean() for values in found["binary"].values()]) < 0.9


def test_table_ends_with_the_mean_of_the_layers():
    text = linearity_table([("a", 0.2, np.array([0.1, 0.5])), ("b", 0.4, np.array([0.9]))])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert cells[2] == ["a", "0.200", "0.300", "0.100", "0.500"]
    assert cells[-1] == ["mean of the layers", "0.300", "0.600", "", ""]
