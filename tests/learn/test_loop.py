"""One stage from its first step to its files: going on after a stop, bad numbers; several workers are in tests/faults."""

import os
import re
import shutil
import signal

import mindspore as ms
import numpy as np
import pytest

from src.checkpoint.file import read_checkpoint
from src.common.errors import InputError
from src.common.files import read_json_lines
from src.data.splits import Contents
from src.learn import loop
from src.learn.assign import make_assign
from src.learn.loop import run_stage
from src.learn.run_data import remark_on_step
from src.learn.stopping import Stopped, signals_noted
from tests.learn.stages import small_network, small_stage

FILES = {"metrics.jsonl", "curves.png", "best.ckpt", "last.ckpt", "state.ckpt", "state.previous.ckpt"}


@pytest.fixture(autouse=True)
def graph_mode():
    ms.set_context(mode=ms.GRAPH_MODE)


def weights(path):
    return {name: p.asnumpy() for name, p in read_checkpoint(path).items()}


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def timeless(folder):
    """metrics.jsonl without what a clock decides."""
    return [
        {k: v for k, v in r.items() if "second" not in k and k != "data_wait"}
        for r in read_json_lines(folder / "metrics.jsonl")
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of an uninterrupted run, with a teacher, a moving average and a quantizer whose state moves with epochs."""
    ms.set_context(mode=ms.GRAPH_MODE)
    folder = tmp_path_factory.mktemp("whole")
    stage = taught_stage(folder)
    run_stage(stage, resume=False)
    return folder


def taught_stage(folder):
    teacher = small_network(8, "fp32")
    teacher.set_train(False)
    return small_stage(folder, "train.ema_decay=0.5", "model.quantizer=rbnn", teacher=teacher)


def test_a_run_leaves_its_files_and_one_record_per_epoch(whole):
    assert {p.name for p in whole.iterdir()} == FILES
    records = read_json_lines(whole / "metrics.jsonl")
    assert [r["epoch"] for r in records] == [1, 2, 3]
    keys = {"train_loss", "train_top1", "top1", "top5", "flip_ratio", "learning_rate", "gradient_norm"}
    assert keys <= records[0].keys()
    assert 0 < max(r["flip_ratio"] for r in records) < 0.5
    assert 0 <= records[0]["top1"] <= records[0]["top5"] <= 1


def test_the_state_moves_with_the_epochs(whole):
    """Steepness t of the second and third of three epochs, and orthogonal rotations, in the weights and in their average."""
    for name, epoch in (("state.previous.ckpt", 1), ("state.ckpt", 2)):
        found = weights(whole / name)
        t = [value for key, value in found.items() if key.endswith("weight_quantizer.t")]
        np.testing.assert_allclose(t, 1e-2 * 1e3 ** (epoch / 3), rtol=1e-5)
        rotations = [value for key, value in found.items() if key.endswith("weight_quantizer.rotation1")]
        assert len(rotations) == len(t) > 10
        for rotation in rotations:
            np.testing.assert_allclose(rotation @ rotation.T, np.eye(len(rotation)), atol=1e-5)
        assert any(np.abs(rotation - np.eye(len(rotation))).max() > 0.1 for rotation in rotations)


def test_best_is_the_average_and_last_the_weights(whole):
    best, last = weights(whole / "best.ckpt"), weights(whole / "last.ckpt")
    assert best.keys() == last.keys()
    assert any((best[name] != last[name]).any() for name in best)


def assert_times_are_sensible(records, compiling):
    """`compiling`: the epochs in which a process compiled its step, which takes many times as long as a step."""
    assert len(records) == 3
    for r in records:
        assert 0 < r["step_seconds"] < 10 and 0 <= r["data_wait"] <= 1 and r["gradient_norm"] > 0
        assert 3 * 0.5 * r["step_seconds"] < r["seconds"]
        assert r["images_per_second"] == pytest.approx(3 * 16 / r["seconds"])
        if r["epoch"] in compiling:
            assert r["compile_seconds"] > 5 * r["step_seconds"] and r["compile_seconds"] > r["seconds"]
        else:
            assert r["compile_seconds"] == 0


def test_compiling_is_not_counted_as_training(whole):
    records = read_json_lines(whole / "metrics.jsonl")
    assert_times_are_sensible(records, compiling={1})
    total = weights(whole / "state.ckpt")["run.total_seconds"]
    assert total == pytest.approx(sum(r["seconds"] for r in records))


@pytest.mark.parametrize(("number", "stop_at"), [(signal.SIGTERM, 3), (signal.SIGHUP, 5)])
def test_a_stopped_run_ends_as_the_whole_one(whole, tmp_path, monkeypatch, capsys, number, stop_at):
    """Stopped by a signal after step 3 (the end of an epoch) or 5 (in the middle of one), then resumed."""
    one_step, done = loop._Trainer._one_step, []

    def step_then_signal(self, *arguments):
        result = one_step(self, *arguments)
        done.append(1)
        if len(done) == stop_at:
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(loop._Trainer, "_one_step", step_then_signal)
    with pytest.raises(Stopped) as stopped:
        run_stage(taught_stage(tmp_path), resume=True)
    assert stopped.value.code == 128 + number and len(done) == stop_at
    monkeypatch.setattr(loop._Trainer, "_one_step", one_step)
    run_stage(taught_stage(tmp_path), resume=True)
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(weights(tmp_path / name), weights(whole / name))
    state, expected = weights(tmp_path / "state.ckpt"), weights(whole / "state.ckpt")
    for name in ("run.total_seconds",):
        del state[name], expected[name]
    assert_equal(state, expected)
    assert timeless(tmp_path) == timeless(whole)
    # the resumed process begins with step 4 or 6, both in epoch 2
    assert_times_are_sensible(read_json_lines(tmp_path / "metrics.jsonl"), compiling={1, 2})
    said = capsys.readouterr().out
    for what, times in (("the training step", 2), ("the evaluation", 1 if stop_at == 3 else 2)):
        lines = rf"^step2: compiling {what} \.\.\.\nstep2: compiled in \d+\.\d s$"
        assert len(re.findall(lines, said, re.MULTILINE)) == times


def test_a_process_that_ignores_its_terminals_end_goes_on_ignoring_it():
    """As one that nohup started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals_noted() as noted:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
        assert noted == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_stopped_in_an_evaluation_leaves_it_and_does_no_step_again(whole, tmp_path, monkeypatch):
    """The second epoch's; when it goes on it begins with the evaluation, and draws no batches before that."""
    stage = taught_stage(tmp_path)
    val, evaluations = stage.val_data.epoch, []

    def signal_then_batches(index):
        evaluations.append(index)
        if len(evaluations) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return val(index)

    monkeypatch.setattr(stage.val_data, "epoch", signal_then_batches)
    with pytest.raises(Stopped):
        run_stage(stage, resume=True)
    assert len(evaluations) == 2 and len(read_json_lines(tmp_path / "metrics.jsonl")) == 1
    stage = taught_stage(tmp_path)
    train, epochs = stage.train_data.epoch, []
    monkeypatch.setattr(stage.train_data, "epoch", lambda index: epochs.append(index) or train(index))
    run_stage(stage, resume=True)
    assert epochs == [2]
    for name in ("best.ckpt", "last.ckpt"):
        assert_equal(weights(tmp_path / name), weights(whole / name))
    assert timeless(tmp_path) == timeless(whole)


def test_a_finished_run_resumed_does_nothing_more(whole):
    before = {p.name: p.read_bytes() for p in whole.iterdir()}
    summary = run_stage(taught_stage(whole), resume=True)
    assert summary["epochs"] == 3 and summary["top1"] == max(
        r["top1"] for r in read_json_lines(whole / "metrics.jsonl")
    )
    assert {p.name: p.read_bytes() for p in whole.iterdir()} == before


def test_a_loss_that_is_not_finite_names_the_step_and_keeps_the_checkpoint(tmp_path):
    stage = small_stage(tmp_path)
    trainer = loop._Trainer(stage)
    trainer.epoch([])
    kept = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    make_assign([stage.network.head.bias])([ms.Tensor(np.full(10, np.inf, np.float32))])
    with pytest.raises(InputError, match="stage step2, epoch 2, step 1: expected a finite loss"):
        trainer.epoch([])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == kept


@pytest.mark.parametrize(("split", "images", "got"), [("train", 1437, "other ones"), ("val", 350, "350")])
def test_a_run_does_not_go_on_with_other_data(whole, tmp_path, split, images, got):
    folder = shutil.copytree(whole, tmp_path / "run")
    stage = taught_stage(folder)
    getattr(stage, f"{split}_data").contents = Contents(images, 7)
    before = (folder / "state.ckpt").read_bytes()
    words = rf"run: resume expects the data of the run, {dict(train=1437, val=360)[split]} {split} images, got {got}; .*"
    with pytest.raises(InputError, match=words + "stages.step2.init=.*run/last.ckpt"):
        run_stage(stage, resume=True)
    assert (folder / "state.ckpt").read_bytes() == before


def test_a_run_that_goes_on_with_other_steps_says_so():
    before = {"images_per_step": 16}
    assert remark_on_step(before, {"images_per_step": 16}) == ""
    assert remark_on_step(before, {"images_per_step": 32}).startswith("32 images per step instead of 16")
