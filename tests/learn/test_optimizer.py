"""The optimizer by its formula, plain and fused: steps, what decays, gradients that are not finite, the global norm."""

import math

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.learn.optimizer import AdamW, decays, global_norm

RNG = np.random.default_rng(0)
LOSS = Tensor(np.array([1.5], np.float32))


@pytest.mark.parametrize("clip_norm", [0.0, 0.5])
@pytest.mark.parametrize("fused", [False, True])
def test_adamw_is_loshchilov_and_hutters_with_bias_correction(fused, clip_norm):
    start = {
        "matrix": RNG.normal(size=(3, 2)).astype(np.float32),
        "bias": RNG.normal(size=3).astype(np.float32),
    }
    parameters = [Parameter(Tensor(v), name=n) for n, v in start.items()]
    optimizer = AdamW(parameters, (0.9, 0.99), 1e-3, 0.1, False, clip_norm, fused)
    expected = {n: v.astype(np.float64) for n, v in start.items()}
    m, v = ({n: 0.0 for n in start} for _ in range(2))
    for step, rate in enumerate((0.1, 0.05, 0.02), start=1):
        gradients = {
            n: np.random.default_rng(step).normal(size=w.shape).astype(np.float32) for n, w in start.items()
        }
        gradients_now = tuple(Tensor(g) for g in gradients.values())
        norm = optimizer(gradients_now, optimizer.coefficients(rate, step), LOSS)
        whole = math.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients.values()))
        assert norm.asnumpy().item() == pytest.approx(whole, rel=1e-5)
        for n, g in gradients.items():
            g = g * min(clip_norm / whole, 1) if clip_norm else g
            m[n], v[n] = 0.9 * m[n] + 0.1 * g, 0.99 * v[n] + 0.01 * g * g
            update = m[n] / (1 - 0.9**step) / (np.sqrt(v[n] / (1 - 0.99**step)) + 1e-3)
            decay = 0.1 if n == "matrix" else 0.0
            expected[n] = expected[n] - rate * (update + decay * expected[n])
    for p in parameters:
        np.testing.assert_allclose(p.asnumpy(), expected[p.name], rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("bad", ["gradient", "infinite gradient", "loss"])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_is_not_finite_changes_nothing(fused, bad):
    p = Parameter(Tensor(RNG.normal(size=(3, 2)).astype(np.float32)), name="matrix")
    optimizer = AdamW([p], (0.9, 0.99), 1e-3, 0.1, False, 0.5, fused)
    good = Tensor(RNG.normal(size=(3, 2)).astype(np.float32))
    optimizer((good,), optimizer.coefficients(0.1, 1), LOSS)
    before = [each.asnumpy().copy() for each in (p, *optimizer.state().values())]
    gradient, loss = good.asnumpy().copy(), LOSS
    if bad == "loss":
        loss = Tensor(np.array([np.inf], np.float32))
    else:
        gradient[1, 1] = np.nan if bad == "gradient" else -np.inf
    norm = optimizer((Tensor(gradient),), optimizer.coefficients(0.1, 2), loss)
    assert np.isfinite(norm.asnumpy().item()) == (bad == "loss")
    after = [each.asnumpy().copy() for each in (p, *optimizer.state().values())]
    for one, other in zip(before, after):
        np.testing.assert_array_equal(one, other)
    optimizer((good,), optimizer.coefficients(0.1, 3), LOSS)
    assert all((one != each.asnumpy()).any() for one, each in zip(before, (p, *optimizer.state().values())))


def test_only_matrices_and_filters_decay():
    assert decays("fc.weight", (4, 3, 1, 1)) and decays("head.weight", (10, 4))
    for name in ("head.bias", "norm.gamma", "fc.rsign.bias", "act.slope", "block2.merge"):
        assert not decays(name, (4,))


def test_global_norm_is_over_all_elements():
    gradients = (Tensor(np.full((2, 3), 2.0, np.float32)), Tensor(np.array([5.0], np.float32)))
    assert float(global_norm(gradients).asnumpy()) == pytest.approx(7.0)
