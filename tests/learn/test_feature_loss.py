"""Losses on feature maps against another implementation and against NumPy, and in a training step."""

from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from src.common.errors import InputError
from src.learn.feature_loss import FEATURE_LOSSES, attention_loss, lcr_loss, retention
from src.learn.step import make_forward
from tests.learn.stages import small_network

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "quantizers.npz")


@pytest.fixture(autouse=True)
def eagerly(pynative):
    """Nothing is compiled."""


def golden_maps(kind):
    return [Tensor(GOLDEN[f"lcr_loss/feat_{kind}{i}"]) for i in (1, 2, 3)]


def test_lcr_loss_and_its_gradient_are_those_of_its_authors_code():
    student, teacher = golden_maps("bin"), golden_maps("fp")
    gradient = ms.value_and_grad(lambda *maps: lcr_loss(maps, teacher), (0, 1, 2))
    loss, found = gradient(*student)
    np.testing.assert_allclose(loss.asnumpy(), GOLDEN["lcr_loss/loss"], rtol=1e-5)
    for i, each in enumerate(found, 1):
        expected = GOLDEN[f"lcr_loss/dfeat_bin{i}"]
        np.testing.assert_allclose(each.asnumpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    matrix = retention(*teacher[:2]).asnumpy()
    np.testing.assert_allclose(matrix, GOLDEN["lcr_loss/retention_fp_12"], atol=1e-6)


def numpy_attention(x):
    q = (x.astype(np.float64) ** 2).sum(1).reshape(len(x), -1)
    return q / np.linalg.norm(q, axis=1, keepdims=True)


def test_attention_loss_is_its_formula():
    rng = np.random.default_rng(0)
    student = [rng.normal(size=(3, c, s, s)).astype(np.float32) for c, s in ((4, 6), (8, 3))]
    teacher = [rng.normal(size=(3, c, s, s)).astype(np.float32) for c, s in ((5, 6), (2, 3))]
    expected = sum(
        np.linalg.norm(numpy_attention(s) - numpy_attention(t), axis=1).mean()
        for s, t in zip(student, teacher)
    )
    found = attention_loss([Tensor(s) for s in student], [Tensor(t) for t in teacher])
    np.testing.assert_allclose(found.asnumpy(), expected, rtol=1e-5)


def test_maps_that_do_not_fit_are_refused():
    large, small = Tensor(np.ones((1, 2, 5, 5), np.float32)), Tensor(np.ones((1, 2, 2, 2), np.float32))
    with pytest.raises(ValueError, match=r"expected sides that are multiples of \(2, 2\), got \(5, 5\)"):
        lcr_loss([large, small], [large, small])
    with pytest.raises(ValueError, match=r"expected the teacher's sides \(2, 2\), got \(5, 5\)"):
        attention_loss([large], [small])


@pytest.mark.parametrize("name", FEATURE_LOSSES)
def test_the_loss_of_a_step_has_it_with_its_weight(name):
    networks = (
        small_network(1, "binary", widths=(8, 16), depths=(1, 1)),
        small_network(2, "fp32", widths=(8, 16), depths=(1, 1)),
    )
    for network in networks:
        network.set_train(False)
    rng = np.random.default_rng(0)
    images = Tensor(rng.normal(size=(2, 3, 16, 16)).astype(np.float32))
    labels = Tensor(np.eye(10, dtype=np.float32)[:2])
    student, teacher = networks
    logits, maps = student.stage_maps(images)
    assert [each.shape for each in maps] == [(2, 8, 8, 8), (2, 16, 4, 4)]
    np.testing.assert_array_equal(logits.asnumpy(), student(images).asnumpy())
    with_loss = make_forward(student, teacher, 0.5, 0.1, name, 3.0)(images, labels, None)
    plain = make_forward(student, teacher, 0.5, 0.1)(images, labels, None)
    added = FEATURE_LOSSES[name](maps, teacher.stage_maps(images)[1]).asnumpy()
    assert added > 1e-4
    np.testing.assert_allclose(with_loss[0].asnumpy() - plain[0].asnumpy(), 3 * added, rtol=1e-3)
    assert with_loss[1].asnumpy() == plain[1].asnumpy()


def test_a_loss_without_a_teacher_is_refused():
    with pytest.raises(InputError, match="expected two networks with maps of their stages, got none"):
        make_forward(small_network(1), None, 0.0, 0.1, "lcr", 1.0)


def test_the_settings_know_every_loss():
    from src.settings.schema import rule_of

    assert rule_of("stages.step2.feature_loss").allowed == f"one of none, {', '.join(FEATURE_LOSSES)}"
