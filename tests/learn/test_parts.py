"""Loss, schedule, assignment, average, flip ratio, path factors and workers, each against a closed form."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.learn.assign import make_assign
from src.learn.average import MovingAverage, warmed_decay
from src.learn.flip import flip_ratio, signs
from src.learn.loss import cross_entropy, distillation_loss, kl_divergence, smooth_labels
from src.learn.parallel import Workers
from src.learn.schedule import SCHEDULES, learning_rates, scaled_learning_rate
from src.learn.step import path_factors
from src.settings.schema import rule_of

RNG = np.random.default_rng(0)


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def logits(seed):
    return np.random.default_rng(seed).normal(size=(4, 5)).astype(np.float32)


def test_distillation_loss_is_eq_13_and_its_gradient_is_the_students():
    student, teacher = logits(1), logits(2)
    labels = np.eye(5, dtype=np.float32)[[0, 2, 2, 4]]
    p_t, log_t, log_s = np.exp(log_softmax(teacher)), log_softmax(teacher), log_softmax(student)
    kl = (p_t * (log_t - log_s)).sum(1).mean()
    ce = -(labels * log_s).sum(1).mean()
    arguments = [Tensor(a) for a in (student, labels, teacher)]
    np.testing.assert_allclose(kl_divergence(arguments[2], arguments[0]).asnumpy(), kl, rtol=1e-5)
    np.testing.assert_allclose(cross_entropy(arguments[0], arguments[1]).asnumpy(), ce, rtol=1e-5)
    np.testing.assert_allclose(distillation_loss(*arguments, 0.9).asnumpy(), 0.9 * kl + 0.1 * ce, rtol=1e-5)
    student_gradient, teacher_gradient = ms.grad(distillation_loss, (0, 2))(*arguments, 0.9)
    expected = (np.exp(log_s) - 0.9 * p_t - 0.1 * labels) / 4
    np.testing.assert_allclose(student_gradient.asnumpy(), expected, atol=1e-6)
    assert not teacher_gradient.asnumpy().any()


def test_smoothed_labels_stay_a_distribution():
    smooth = smooth_labels(Tensor(np.eye(4, dtype=np.float32)), 0.1).asnumpy()
    np.testing.assert_allclose(smooth, np.where(np.eye(4), 0.925, 0.025), rtol=1e-6)


def test_warm_up_then_decay_by_hand():
    assert learning_rates("cosine", 1.0, 0.0, 5, 2) == pytest.approx([0.5, 1.0, 1.0, 0.5, 0.0])
    assert learning_rates("cosine", 1.0, 0.2, 3, 0) == pytest.approx([1.0, 0.6, 0.2])
    assert learning_rates("cosine", 1.0, 0.0, 2, 2) == pytest.approx([0.5, 1.0])
    assert learning_rates("linear", 1.0, 0.2, 6, 1) == pytest.approx([1.0, 1.0, 0.8, 0.6, 0.4, 0.2])
    assert learning_rates("steps", 1.0, 0.0, 6, 1, (2, 4)) == pytest.approx([1.0, 1.0, 0.1, 0.1, 0.01, 0.01])
    assert scaled_learning_rate(1e-3, 1024, 256) == pytest.approx(2.5e-4)
    with pytest.raises(ValueError, match="at most the run's 2 steps, got 3"):
        learning_rates("cosine", 1.0, 0.0, 2, 3)


def test_settings_allow_the_schedules_there_are():
    assert rule_of("train.schedule").allowed == "one of " + ", ".join(SCHEDULES)


def test_assignment_reaches_compiled_functions():
    """The trap that make_assign is for: set_data would leave the compiled function with the old value."""
    p = Parameter(Tensor(np.ones(2, np.float32)), name="w")

    @ms.jit
    def read(x):
        return p * x

    two = Tensor(np.full(2, 2.0, np.float32))
    assert read(two).asnumpy().tolist() == [2.0, 2.0]
    put = make_assign([p])
    put([Tensor(np.array([3.0, 4.0], np.float32))])
    assert read(two).asnumpy().tolist() == [6.0, 8.0] and p.asnumpy().tolist() == [3.0, 4.0]


def test_the_decay_of_the_average_warms_up():
    assert [warmed_decay(0.9999, n) for n in (0, 1, 8, 90)] == [1 / 10, 2 / 11, 1 / 2, 91 / 100]
    assert warmed_decay(0.3, 1) == 2 / 11 and warmed_decay(0.3, 3) == 0.3
    assert warmed_decay(0.9999, 10**6) == 0.9999


def test_moving_average_blends_and_gives_the_weights_back():
    """Updates 0, 1 and 71 of decay 0.75, of the values 5, 3 and 7, from 1."""
    p = Parameter(Tensor(np.array([1.0, 2.0], np.float32)), name="w")
    average, put = MovingAverage([p], 0.75), make_assign([p])
    expected = 1.0
    for updates, value, decay in ((0, 5.0, 0.1), (1, 3.0, 2 / 11), (71, 7.0, 0.75)):
        put([Tensor(np.array([value, 2.0], np.float32))])
        average.update(updates)
        expected = decay * expected + (1 - decay) * value

    @ms.jit
    def read(x):
        return p * x

    one = Tensor(np.ones(2, np.float32))
    with average.in_place():
        assert (
            p.asnumpy().tolist() == read(one).asnumpy().tolist() == pytest.approx([expected, 2.0], rel=1e-6)
        )
    assert p.asnumpy().tolist() == read(one).asnumpy().tolist() == [7.0, 2.0]


def test_flip_ratio_counts_changed_signs_and_zero_is_negative():
    before = signs([Tensor(np.array([1.0, -1.0, 0.0, 0.5], np.float32))])
    after = signs([Tensor(np.array([2.0, 1.0, -3.0, 0.0], np.float32))])
    assert flip_ratio(before, after) == 0.5
    assert flip_ratio(signs([]), signs([])) == 0.0


def test_path_factors_keep_the_mean_and_follow_from_seed_and_step():
    rates = (0.0, 0.25, 0.5)
    factors = path_factors(rates, 4000, 1, 7).asnumpy()
    assert factors.shape == (3, 4000, 1, 1, 1)
    assert set(np.unique(factors[0])) == {1.0} and set(np.unique(factors[2])) == {0.0, 2.0}
    np.testing.assert_allclose(factors.mean((1, 2, 3, 4)), 1, atol=0.06)
    np.testing.assert_array_equal(factors, path_factors(rates, 4000, 1, 7).asnumpy())
    for other in ((2, 7), (1, 8)):
        assert (factors != path_factors(rates, 4000, *other).asnumpy()).any()
    assert path_factors((0.0, 0.0), 4, 1, 1) is None


def test_path_factors_of_an_image_are_the_same_however_a_step_is_spread():
    """24 images: one batch; or 3 batches of 4 on each of 2 workers, whose images lie interleaved."""
    whole = path_factors((0.5,), 24, 1, 7).asnumpy().ravel()
    for place in range(3):
        for rank in range(2):
            part = path_factors((0.5,), 4, 1, 7, (place, 3), (rank, 2)).asnumpy().ravel()
            np.testing.assert_array_equal(part, whole[8 * place : 8 * place + 8][rank::2])


def test_a_run_without_a_job_is_alone():
    assert Workers().first and Workers().sum([1.0, 2.0]) == [1.0, 2.0]
    parameter = Parameter(Tensor(logits(1)))
    Workers().broadcast_([parameter])
    np.testing.assert_array_equal(parameter.asnumpy(), logits(1))


def test_parameters_travel_as_one_array_and_come_back_in_their_shapes():
    parameters = [
        Parameter(Tensor(RNG.normal(size=shape).astype(np.float32))) for shape in ((2, 3), (), (4,))
    ]
    rows = Workers().gather(parameters)
    assert [row.shape for row in rows] == [(1, 2, 3), (1,), (1, 4)]
    for row, p in zip(rows, parameters):
        np.testing.assert_array_equal(row[0], p.asnumpy())
    assert Workers().gather([]) == []
