"""The loss scale: its rule by hand, the step that it leaves as it is, and overflows over an interruption."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from src.common.errors import InputError
from src.common.files import read_json_lines
from src.learn import loop
from src.learn.evaluate import Score
from src.learn.loss_scale import LossScale, next_scale
from src.learn.optimizer import AdamW
from src.learn.parallel import Workers
from src.learn.skips import Skips
from src.learn.state import Progress, newest_state
from src.learn.step import TrainStep, make_forward
from tests.faults.jobs import assert_equal, timeless
from tests.learn.stages import small_stage

LOSS = Tensor(np.array([1.5], np.float32))
TOO_LARGE = Tensor(np.float32(3e38))


@pytest.fixture(autouse=True)
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)


def test_a_scale_grows_after_its_window_and_falls_to_the_floor():
    rule = dict(window=3, growth=2.0, backoff=0.5)
    scale, steps, seen = 4.0, 0, []
    for finite in (True, True, True, True, True, False, True, True, True, False, False, False, False, False):
        scale, steps = next_scale(scale, steps, finite, **rule)
        seen.append((scale, steps))
    grows, falls = [(4, 1), (4, 2), (8, 0), (8, 1), (8, 2)], [(4, 0), (4, 1), (4, 2), (8, 0)]
    assert seen == [*grows, *falls, (4, 0), (2, 0), (1, 0), (1, 0), (1, 0)]
    assert next_scale(9e29, 0, True, 1, 2.0, 0.5) == (1e30, 0)


def settings(**values):
    """A stage's `train` section as LossScale reads it."""
    rule = dict(loss_scale_start=8.0, loss_scale_window=2, loss_scale_growth=2.0, loss_scale_backoff=0.5)
    return type("Train", (), rule | values)


def skips_of(kind, skips):
    """(Skips, its Progress after the first step of a stage, what it said)."""
    scale, said = LossScale(settings(loss_scale=kind)), []
    return Skips("step2", skips, scale, said.append), Progress(step=1, loss_scale=scale.start), said


def test_an_overflow_above_the_floor_is_no_error():
    skips, progress, said = skips_of("dynamic", skips=False)
    assert skips.possible
    for falls_to in (4, 2, 1):
        assert not skips.note(progress, 2.5, float("inf"))
        assert progress.loss_scale == falls_to
    assert progress.skipped == 3 and skips.in_a_row == 0
    assert said[0] == (
        "epoch 1, step 1: the gradients overflow; the step is skipped and the loss scale falls from 8 to 4"
    )
    with pytest.raises(
        InputError, match=r"step 1: expected a finite loss .*, got 2.5 and inf at loss scale 1; "
    ):
        skips.note(progress, 2.5, float("inf"))
    assert skips.note(progress, 2.5, 1.0) and skips.note(progress, 2.5, 1.0) and progress.loss_scale == 2


def test_a_loss_that_is_not_finite_is_not_the_scales_fault():
    skips, progress, _ = skips_of("dynamic", skips=False)
    with pytest.raises(InputError, match="got nan and nan at loss scale 8; "):
        skips.note(progress, float("nan"), float("nan"))
    skips, progress, said = skips_of("dynamic", skips=True)
    assert not skips.note(progress, float("inf"), 1.0)
    assert (progress.loss_scale, progress.skipped, skips.in_a_row, len(said)) == (8, 1, 1, 1)


def test_a_fixed_scale_follows_on_nonfinite():
    skips, progress, _ = skips_of("1024", skips=False)
    assert progress.loss_scale == 1024 and not skips.possible
    with pytest.raises(InputError, match="got 2.5 and inf at loss scale 1024; "):
        skips.note(progress, 2.5, float("inf"))
    skips, progress, _ = skips_of("1024", skips=True)
    assert not skips.note(progress, 2.5, float("inf"))
    assert (progress.loss_scale, progress.skipped, skips.in_a_row) == (1024, 1, 1)
    assert LossScale(settings(loss_scale="off")).tensor(Progress()) is None


@pytest.mark.parametrize("fused", [False, True])
def test_gradients_are_divided_before_the_norm_the_clipping_and_the_update(fused):
    """By 2^100, to the bit; the square of a gradient times that is infinite."""
    chance, scale = np.random.default_rng(0), 2.0**100
    start = chance.normal(size=(3, 37)).astype(np.float32)
    gradients = chance.normal(size=(4, 3, 37)).astype(np.float32)
    found = []
    for factor in (0.0, scale):
        p = Parameter(Tensor(start), name="matrix")
        optimizer = AdamW([p], (0.9, 0.99), 1e-3, 0.1, False, 0.5, fused)
        norms = []
        for step, gradient in enumerate(gradients, start=1):
            given = Tensor(gradient * np.float32(factor or 1))
            norm = optimizer((given,), optimizer.coefficients(0.1, step, factor), LOSS)
            norms.append(norm.asnumpy().item())
        found.append([norms, *(each.asnumpy() for each in (p, *optimizer.state().values()))])
    assert np.isfinite(found[0][0]).all() and (found[0][1] != start).any()
    for plain, scaled in zip(*found):
        np.testing.assert_array_equal(scaled, plain)


class Small(nn.Cell):
    """Two layers."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Dense(12, 8), nn.Dense(8, 5)
        chance = np.random.default_rng(0)
        for layer in (self.first, self.second):
            layer.weight.set_data(Tensor(chance.normal(0, 0.5, layer.weight.shape).astype(np.float32)))
            layer.bias.set_data(Tensor(np.zeros(layer.bias.shape, np.float32)))

    def construct(self, images):
        return self.second(ms.ops.relu(self.first(images.reshape((len(images), -1)))))


def train(accumulate, scale, overflow_at=None):
    """[figures and norm of each step], [weights after each step] of five steps; scale 0: off."""
    network, chance, figures, weights = Small(), np.random.default_rng(1), [], []
    optimizer = AdamW(network.trainable_params(), (0.9, 0.999), 1e-3, 0.05, False, 0.1, fused=False)
    forward = make_forward(network, None, 0.0, 0.1)
    step = TrainStep([network], forward, optimizer, Workers(), accumulate, scales=bool(scale))
    for number in range(5):
        images = chance.normal(size=(accumulate, 4, 3, 2, 2)).astype(np.float32)
        labels = np.eye(5, dtype=np.float32)[chance.integers(0, 5, (accumulate, 4))]
        given = Tensor(np.float32(scale)) if scale else None
        if number == overflow_at:
            given = TOO_LARGE
        coefficients = optimizer.coefficients(0.01, number + 1, scale)
        batches = [(Tensor(i), Tensor(label), None) for i, label in zip(images, labels)]
        results = step(batches, coefficients, scale=given)
        figures.append(np.concatenate([r.asnumpy().ravel() for r in results]))
        weights.append(np.concatenate([p.asnumpy().ravel() for p in network.get_parameters()]))
    return np.array(figures), np.array(weights)


@pytest.fixture(scope="module")
def off():
    return {accumulate: train(accumulate, 0) for accumulate in (1, 2)}


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_power_of_two_changes_no_bit_of_a_step(off, accumulate):
    """Loss, hits, norm and weights: where nothing overflows or underflows, such a factor is exact in float32."""
    for found, expected in zip(train(accumulate, 1024.0), off[accumulate]):
        np.testing.assert_array_equal(found, expected)


def test_another_scale_changes_the_rounding_alone(off):
    for found, expected in zip(train(1, 1000.0), off[1]):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_whose_gradients_overflow_changes_nothing(accumulate):
    """The loss is finite all the same; the step after it is as any."""
    figures, weights = train(accumulate, 1024.0, overflow_at=2)
    assert np.isfinite(figures[:, :3]).all()
    assert np.isfinite(figures[:, 3]).tolist() == [True, True, False, True, True]
    assert [bool((weights[n] != weights[n - 1]).any()) for n in (1, 2, 3, 4)] == [True, False, True, True]


DYNAMIC = (
    "train.loss_scale=dynamic",
    "train.loss_scale_start=8",
    "train.loss_scale_window=2",
    "train.ema_decay=0.9",
)
OVERFLOWS = {1, 5}  # steps of the nine, from 0


def unevaluated(folder, *overrides):
    """A trainer whose network has a score without being evaluated, which would compile for long."""
    folder.mkdir(exist_ok=True)
    trainer = loop._Trainer(small_stage(folder, *overrides))
    trainer._evaluate = lambda stop: Score(100, 10 + trainer.progress.epoch, 50, 1.0)
    return trainer


def trainer_of(folder, *overrides):
    """A trainer whose gradients overflow in some steps, by a scale that the graph is given there."""
    trainer = unevaluated(folder, *overrides)
    usual = trainer.scale.tensor

    def tensor(progress):
        number = progress.epoch * trainer.steps + progress.step
        return TOO_LARGE if number in OVERFLOWS else usual(progress)

    trainer.scale.tensor = tensor
    return trainer


def finish(trainer):
    while trainer.progress.epoch < 3:
        trainer.epoch([])


def without(trainer):
    """Let `trainer` leave the same steps out, without computing them."""
    one_step = trainer._one_step

    def leaving_out(batches, stop):
        number = trainer.progress.epoch * trainer.steps + trainer.progress.step
        if number not in OVERFLOWS:
            return one_step(batches, stop)
        trainer.progress.step += 1
        trainer.progress.skipped += 1
        return trainer.rates[number], float("nan"), False

    trainer._one_step = leaving_out


def test_a_run_skips_overflows_and_goes_on_as_if_they_were_not(tmp_path, monkeypatch):
    """train.on_nonfinite is stop. Its weights are those of a run without a scale that left the same steps out, and a run that
    is stopped in the middle of an epoch, just after an overflow, ends as the whole one."""
    whole = trainer_of(tmp_path / "whole", *DYNAMIC)
    finish(whole)
    records = read_json_lines(tmp_path / "whole" / "metrics.jsonl")
    # 8 | falls: 4 | 4 | grows: 8 | 8 | falls: 4 | 4 | grows: 8 | 8
    assert [record["loss_scale"] for record in records] == [4, 4, 8]
    assert [record["skipped_steps"] for record in records] == [1, 1, 0]
    state = newest_state(tmp_path / "whole")[1]
    assert [state[f"run.{name}"].asnumpy() for name in ("loss_scale", "scale_steps", "updates")] == [8, 1, 7]

    left_out = unevaluated(tmp_path / "off", "train.ema_decay=0.9")
    without(left_out)
    finish(left_out)
    stopped = trainer_of(tmp_path / "stopped", *DYNAMIC, "checkpoint.every_steps=2")
    monkeypatch.setattr(stopped, "_evaluate", lambda stop: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        stopped.epoch([])
    assert newest_state(tmp_path / "stopped")[1]["run.step"].asnumpy() == 2
    resumed = trainer_of(tmp_path / "stopped", *DYNAMIC)
    resumed.restore()
    assert (resumed.progress.loss_scale, resumed.progress.scale_steps) == (4, 0)
    finish(resumed)
    assert timeless(tmp_path / "stopped") == timeless(tmp_path / "whole")
    for name in ("best.ckpt", "last.ckpt"):
        for folder in ("off", "stopped"):
            assert_equal(tmp_path / folder / name, tmp_path / "whole" / name)
