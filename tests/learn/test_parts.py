"""Loss, schedule, optimizer, average, flip ratio, evaluation and state, each against a closed form."""

import math
import time

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.common.errors import InputError
from src.learn.assign import make_assign
from src.learn.average import MovingAverage, warmed_decay
from src.learn.compiled import Compiled
from src.learn.evaluate import evaluate, hits, padded
from src.learn.flip import flip_ratio, signs
from src.learn.loss import cross_entropy, distillation_loss, kl_divergence, smooth_labels
from src.learn.optimizer import AdamW, decays, global_norm
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


class Rows:
    """A validation split of five images in batches of two; the label is the first pixel."""

    size = 5
    skipped_late = ()

    def epoch(self, index):
        images = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)
        for start in (0, 2, 4):
            yield images[start : start + 2], np.arange(start, min(start + 2, 5), dtype=np.int32)


def silent(function):
    return Compiled(function, "nothing", lambda text: None)


def one_hot_of_pixel(x):
    return (x.reshape(-1, 1) == np.arange(7)).astype(np.float32)


def test_the_last_partial_batch_counts():
    score = evaluate(silent(one_hot_of_pixel), Rows(), 2, Workers())
    assert (score.total, score.correct, score.top1, score.top5) == (5, 5, 1.0, 1.0)


def test_each_class_is_counted():
    def wrong_at_three(x):
        return one_hot_of_pixel(np.where(x == 3, 1, x))

    score = evaluate(silent(wrong_at_three), Rows(), 2, Workers(), classes=7)
    assert score.per_class == ((1, 1), (1, 1), (1, 1), (0, 1), (1, 1), (0, 0), (0, 0)) and score.correct == 4


@pytest.mark.parametrize(
    "images, batch_size, workers, rows",
    [(5, 2, 1, 2), (5, 5, 1, 5), (5, 5000, 1, 5), (9, 5000, 2, 5), (9, 4, 2, 4), (5, 5000, 7, 1)],
)
def test_no_more_rows_are_computed_than_a_worker_has_images(images, batch_size, workers, rows):
    """And all batches have the same number of rows."""
    shapes, data = [], Numbers(-(-images // workers), images, batch_size)

    def predict(x):
        shapes.append(x.shape)
        return one_hot_of_pixel(x)

    others = images - data.own
    score = evaluate(silent(predict), data, batch_size, Others(0, workers, others))
    assert (score.total, score.correct) == (images, images)
    assert set(shapes) == {(rows, 1, 1, 1)} and len(shapes) == 1 + -(-data.own // batch_size)


class Numbers:
    """A validation split of so many images, `own` of them this worker's, in batches; the label is the first pixel."""

    skipped_late = ()

    def __init__(self, own, size, batch_size):
        self.own, self.size, self.batch_size = own, size, batch_size

    def epoch(self, index):
        for start in range(0, self.own, self.batch_size):
            labels = np.arange(start, min(start + self.batch_size, self.own), dtype=np.int32)
            yield labels.astype(np.float32).reshape(-1, 1, 1, 1), labels


class Others(Workers):
    """The first of several; the others add so many images, all of them right."""

    def __init__(self, rank, size, images):
        super().__init__(rank, size)
        object.__setattr__(self, "images", images)

    def sum(self, values):
        return [float(value) + (self.images if place < 3 else 0) for place, value in enumerate(values)]


def test_compiling_is_not_counted_as_evaluation():
    calls = []

    def slow_at_first(x):
        calls.append(x.shape)
        time.sleep(0.1 if len(calls) > 1 else 1)
        return one_hot_of_pixel(x)

    predict = silent(slow_at_first)
    score = evaluate(predict, Rows(), 2, Workers())
    assert (score.correct, len(calls)) == (5, 1 + 3) and 0.3 <= score.seconds < 0.9
    evaluate(predict, Rows(), 2, Workers())
    assert len(calls) == 4 + 3


def test_a_lost_image_is_an_error():
    rows = Rows()
    rows.size = 6
    with pytest.raises(ValueError, match="expected 6 images, got 5"):
        evaluate(silent(one_hot_of_pixel), rows, 2, Workers())


class TwoWorkers(Workers):
    """The first of two; `other` is what the second one adds: images, hits, hits among five, files found bad late, whether
    it stops."""

    def __init__(self, *other):
        super().__init__(0, 2)
        object.__setattr__(self, "other", other)

    def sum(self, values):
        return [float(mine + others) for mine, others in zip(values, self.other, strict=True)]


def test_files_that_another_worker_found_bad_are_not_missed():
    rows = Rows()
    rows.size, rows.skipped_late = 8, [("a.png", "cut off")]  # of 9, this worker's five without one of six
    score = evaluate(silent(one_hot_of_pixel), rows, 2, TwoWorkers(2, 1, 2, 1, 0))
    assert (score.total, score.correct, score.correct5) == (7, 6, 7)
    with pytest.raises(ValueError, match="expected 8 images, got 7"):
        evaluate(silent(one_hot_of_pixel), rows, 2, TwoWorkers(2, 1, 2, 0, 0))


def test_an_evaluation_is_left_off_when_one_worker_stops():
    stop, calls = [], []

    def predict(x):
        calls.append(x.shape)
        stop.append(15)
        return one_hot_of_pixel(x)

    assert evaluate(silent(one_hot_of_pixel), Rows(), 2, TwoWorkers(1, 1, 1, 0, 1)) is None
    assert evaluate(silent(predict), Rows(), 2, Workers(), stop) is None
    assert len(calls) == 2  # of the first batch, which was computed once more when it compiled


def test_no_readable_image_is_bad_input():
    rows = Rows()
    rows.size, rows.skipped_late, rows.epoch = 0, [("a.png", "cut off")] * 5, lambda index: iter(())
    with pytest.raises(InputError, match="images that can be read, got none"):
        evaluate(silent(one_hot_of_pixel), rows, 2, Workers())


def test_hits_count_top1_and_top5():
    scores = np.array([[9, 8, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9]], np.float32)
    assert hits(scores, np.array([0, 1])) == (1, 2)
    assert hits(scores, np.array([5, 0])) == (0, 0)


def test_padding_repeats_the_last_image():
    images = np.arange(2, dtype=np.float32).reshape(2, 1)
    np.testing.assert_array_equal(padded(images, 4)[:, 0], [0, 1, 1, 1])
    assert padded(images, 2) is images


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
