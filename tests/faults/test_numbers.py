"""Losses and gradients that are not finite: the step is named, and changes nothing."""

import mindspore as ms
import numpy as np
import pytest

from src.commands.run_folder import check_folder
from src.common.errors import InputError
from src.common.files import read_json_lines
from src.learn import loop, records, skips
from src.learn.assign import make_assign
from src.learn.evaluate import Score
from src.learn.state import STATE, newest_state
from src.model import binary_layers
from src.settings.config import load_config, save_config, with_values
from tests.faults.jobs import assert_equal, timeless
from tests.learn.stages import small_network, small_stage

STEPS, EPOCHS = 3, 3
SKIP = "train.on_nonfinite=skip"
VALUES = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf, "large": 1e38}


@pytest.fixture
def short_or_soak(request):
    """Forms other than the usual one compile for long."""
    if request.getfixturevalue("backend") != "auto" and not request.config.getoption("--soak"):
        pytest.skip("--soak")


@pytest.fixture(autouse=True)
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)


class Poisoned:
    """Training data in which one pixel of some batches, numbered over the epochs' steps, has a value."""

    def __init__(self, data, per_epoch, poisoned, value):
        self.data, self.per_epoch, self.poisoned, self.value = data, per_epoch, set(poisoned), value
        self.batches, self.contents = data.batches, data.contents

    def epoch(self, epoch):
        batches = self.data.epoch(epoch)
        try:
            for number, (images, labels) in enumerate(batches):
                if epoch * self.per_epoch + number in self.poisoned:
                    images = images.copy()
                    images[0, :, 2, 3] = self.value
                yield images, labels
        finally:
            batches.close()


def stage_of(folder, *overrides, batches=(), value=np.nan, backend="auto"):
    """The small stage with poisoned batches."""
    stage = small_stage(folder, *overrides)
    if backend != "auto":
        stage.network = small_network(stage.seed, backend=backend)
        stage.binary_weights = [layer.weight for _, layer in binary_layers(stage.network)]
    stage.train_data = Poisoned(stage.train_data, STEPS * stage.train.accumulate_steps, batches, value)
    return stage


def held(trainer):
    """All that a step changes: weights, running statistics, moments, averages."""
    counters = {p.name for p in (trainer.flip_ratio.parameter, trainer.timer.parameter)}
    return {name: p.asnumpy().copy() for name, p in trainer._tensors().items() if name not in counters}


def assert_bits_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


def watched(trainer):
    """Note what `trainer` holds before and after each step, as [(before, after)]."""
    seen, one_step = [], trainer._one_step

    def noting(*arguments):
        before = held(trainer)
        result = one_step(*arguments)
        seen.append((before, held(trainer)))
        return result

    trainer._one_step = noting
    return seen


def without(trainer, steps):
    """Let `trainer` leave these steps out, without computing them."""
    one_step = trainer._one_step

    def leaving_out(batches, stop):
        number = trainer.progress.epoch * trainer.steps + trainer.progress.step
        if number not in steps:
            return one_step(batches, stop)
        trainer.progress.step += 1
        trainer.progress.skipped += 1
        return trainer.rates[number], float("nan"), False

    trainer._one_step = leaving_out


def run(trainer):
    while trainer.progress.epoch < trainer.stage.settings.epochs:
        trainer.epoch([])


CASES = [
    ("auto", 0.5, 2, "inf"),
    pytest.param("auto", 0.0, 1, "-inf", marks=pytest.mark.thorough),
    ("fast", 0.5, 1, "large"),
    ("plain", 0.5, 2, "nan"),
]


@pytest.mark.parametrize(("backend", "decay", "accumulate", "value"), CASES)
def test_a_skipped_step_changes_nothing(tmp_path, short_or_soak, backend, decay, accumulate, value, tell):
    """Nor what comes after it: the run ends as one that never computed it. With two batches to a step one is bad."""
    overrides = (SKIP, f"train.ema_decay={decay}", f"train.accumulate_steps={accumulate}")
    bad_steps = (0, 4, 5)
    batches = [step * accumulate + step % accumulate for step in bad_steps]
    ends = []
    for name, poisoned in (("skips", batches), ("leaves out", ())):
        folder = tmp_path / name
        folder.mkdir()
        trainer = loop._Trainer(
            stage_of(folder, *overrides, batches=poisoned, value=VALUES[value], backend=backend)
        )
        if poisoned:
            seen = watched(trainer)
        else:
            without(trainer, bad_steps)
        run(trainer)
        ends.append(held(trainer))
    for number, (before, after) in enumerate(seen):
        if number in bad_steps:
            assert_bits_equal(after, before)
        else:
            assert any((before[name] != after[name]).any() for name in before)
    assert_bits_equal(*ends)
    first, second = (tmp_path / name for name in ("skips", "leaves out"))
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(first / name, second / name)
    assert timeless(first) == timeless(second)
    assert [r["skipped_steps"] for r in read_json_lines(first / "metrics.jsonl")] == [1, 2, 0]
    tell(
        "number that is not finite", f"{backend}: {value} in a batch; train.on_nonfinite=skip", len(bad_steps)
    )


def test_the_step_is_named_the_files_stay_and_the_run_goes_on(tmp_path, tell):
    """train.on_nonfinite=stop, in the second step of the second epoch."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    run(loop._Trainer(small_stage(tmp_path / "whole")))
    stage = stage_of(tmp_path / "stopped", batches=[4])
    trainer = loop._Trainer(stage)
    trainer.epoch([])
    before = {path.name: path.read_bytes() for path in stage.folder.iterdir()}
    with pytest.raises(InputError, match="stage step2, epoch 2, step 2: expected a finite loss .* and nan;"):
        trainer.epoch([])
    assert {path.name: path.read_bytes() for path in stage.folder.iterdir()} == before
    assert newest_state(stage.folder)[0] == STATE
    loop.run_stage(small_stage(stage.folder), resume=True)
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(stage.folder / name, tmp_path / "whole" / name)
    assert timeless(stage.folder) == timeless(tmp_path / "whole")
    tell("number that is not finite", "NaN in a batch; train.on_nonfinite=stop, then resume=true", 1)


def test_a_run_of_skipped_steps_ends(tmp_path, monkeypatch, tell):
    """An epoch of skipped steps has no loss; so many in a row are the end, and the epoch's state is the last."""
    monkeypatch.setattr(skips, "MAX_CONSECUTIVE_SKIPS", 5)
    stage = stage_of(tmp_path, SKIP, batches=range(3, 9))
    trainer = loop._Trainer(stage)
    trainer.epoch([])
    trainer.epoch([])
    first, second = records.read_records(tmp_path)
    assert second["skipped_steps"] == 3 and not {"train_loss", "train_top1", "gradient_norm"} & second.keys()
    assert first["skipped_steps"] == 0 and first["train_loss"] > 0
    assert second["top1"] == first["top1"] and second["flip_ratio"] == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="epoch 3, step 2: expected a finite loss .* in 5 steps in a row"):
        trainer.epoch([])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    tell("only numbers that are not finite", "ended after as many skipped steps in a row as is allowed", 1)


def test_a_stage_of_skipped_steps_alone_has_failed(tmp_path):
    """Fewer than end a run by themselves; started again it fails as well, and the next stage finds no checkpoint."""
    stage = stage_of(tmp_path, SKIP, "stages.step2.epochs=2", batches=range(6))
    message = "stage step2: expected steps with a finite loss .*, got none: all 6 were skipped"
    with pytest.raises(InputError, match=message):
        loop.run_stage(stage, resume=False)
    assert not (tmp_path / "best.ckpt").exists()
    assert [r["skipped_steps"] for r in read_json_lines(tmp_path / "metrics.jsonl")] == [3, 3]
    with pytest.raises(InputError, match=message):
        loop.run_stage(stage_of(tmp_path, SKIP, "stages.step2.epochs=2"), resume=True)


def test_an_epoch_of_skipped_steps_is_not_the_best(tmp_path):
    """The first one, whose untrained weights may score higher than those of the second."""
    stage = stage_of(tmp_path, SKIP, "stages.step2.epochs=2", batches=range(3))
    scores = iter((0.9, 0.1))
    trainer = loop._Trainer(stage)
    trainer._evaluate = lambda stop: Score(100, round(100 * next(scores)), 95, 1.0)
    run(trainer)
    assert (trainer.summary()["best_epoch"], trainer.summary()["top1"]) == (2, 0.1)


@pytest.mark.thorough
def test_steps_of_two_batches_are_counted_over_an_interruption(tmp_path, monkeypatch):
    """A state in the middle of an epoch knows of the steps skipped before it, and of no half step."""
    two, whole, stopped = "train.accumulate_steps=2", tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    run(loop._Trainer(stage_of(whole, SKIP, two, batches=[7])))
    trainer = loop._Trainer(stage_of(stopped, SKIP, two, "checkpoint.every_steps=2", batches=[7]))
    trainer.epoch([])
    monkeypatch.setattr(trainer, "_evaluate", lambda stop: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trainer.epoch([])
    state = newest_state(stopped)[1]
    assert (state["run.step"].asnumpy(), state["run.skipped"].asnumpy()) == (2, 1)
    loop.run_stage(stage_of(stopped, SKIP, two, batches=[7]), resume=True)
    assert timeless(stopped) == timeless(whole)
    assert_equal(stopped / "last.ckpt", whole / "last.ckpt")


def test_more_batches_to_a_step_than_an_epoch_has_are_refused(tmp_path):
    with pytest.raises(InputError, match="train.accumulate_steps: expected at most 89, .* got 90"):
        loop._Trainer(small_stage(tmp_path, "train.accumulate_steps=90"))


@pytest.mark.parametrize("backend", ["auto", "fast"])
def test_statistics_that_overflow_are_not_saved(tmp_path, short_or_soak, backend):
    """A pixel whose square is infinite makes a running variance infinite while loss and gradients stay finite."""
    trainer = loop._Trainer(stage_of(tmp_path, SKIP, batches=[4], value=1e25, backend=backend))
    trainer.epoch([])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(
        InputError, match="stage step2, epoch 2: expected finite numbers, .*variance has others"
    ):
        trainer.epoch([])
    assert trainer.progress.skipped == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_bad_weight_ends_a_run_that_skips(tmp_path):
    stage = small_stage(tmp_path, SKIP)
    trainer = loop._Trainer(stage)
    trainer.epoch([])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    make_assign([stage.network.head.weight])([ms.Tensor(np.full((10, 8), np.nan, np.float32))])
    with pytest.raises(InputError, match="in 50 steps in a row"):
        for _ in range(20):
            trainer._steps([])
            trainer.progress.step = 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_that_ended_so_may_go_on_by_skipping(tmp_path):
    """As its message advises; another setting that decides what a step computes is still refused."""
    config = load_config(None, ["resume=true"])
    for name in ("advised", "other"):
        (tmp_path / name).mkdir()
        save_config(config, tmp_path / name / "config.yaml")
        (tmp_path / name / STATE).touch()
    check_folder(tmp_path / "advised", with_values(config, {"train.on_nonfinite": "skip"}))
    with pytest.raises(InputError, match="train.clip_norm differ"):
        check_folder(tmp_path / "other", with_values(config, {"train.clip_norm": 1.0}))
