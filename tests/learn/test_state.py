"""The run state: what comes back, what is refused, and which of the two newest is taken."""

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from src.checkpoint.file import read_checkpoint, save_checkpoint
from src.common.errors import InputError
from src.learn.parallel import Workers
from src.learn.state import PREVIOUS, STATE, Progress, holds_run, load_state, save_state


def weight(seed):
    values = np.random.default_rng(seed).normal(size=(2, 3)).astype(np.float32)
    return {"w": Parameter(Tensor(values), name="w")}


def save(folder, epoch, per_worker=()):
    """A state whose weight follows from its epoch."""
    save_state(folder, Progress(epoch=epoch), weight(epoch), dict(per_worker))


def assert_loads(folder, epoch, faults=0):
    tensors = weight(99)
    progress, found = load_state(folder, tensors, Workers())
    assert progress.epoch == epoch and len(found) == faults
    np.testing.assert_array_equal(tensors["w"].asnumpy(), weight(epoch)["w"].asnumpy())
    return found


def test_state_comes_back_as_it_was(tmp_path):
    progress = Progress(
        epoch=3,
        step=2,
        skipped=1,
        updates=7,
        loss_scale=0.5,
        scale_steps=3,
        loss_sum=1 / 3,
        best_top1=0.1,
        total_seconds=2.5,
    )
    save_state(tmp_path, progress, weight(1), {})
    other = weight(2)
    assert load_state(tmp_path, other, Workers()) == (progress, [])
    np.testing.assert_array_equal(other["w"].asnumpy(), weight(1)["w"].asnumpy())


def test_state_of_another_version_is_refused(tmp_path):
    """It has entries that are not read any more, or lacks some: nothing of it is taken."""
    save(tmp_path, 1)
    entries = dict(read_checkpoint(tmp_path / STATE))
    more = {**entries, "run.seconds": Tensor(np.float64(7.0))}
    for other, name in (
        (more, "run.seconds"),
        ({n: v for n, v in entries.items() if n != "run.updates"}, "run.updates"),
    ):
        save_checkpoint(tmp_path / STATE, other)
        now = weight(2)
        with pytest.raises(InputError, match=f"entries of this version.*{name} differs.*last.ckpt"):
            load_state(tmp_path, now, Workers())
        np.testing.assert_array_equal(now["w"].asnumpy(), weight(2)["w"].asnumpy())


def test_step_times_of_other_numbers_of_steps_are_dropped(tmp_path):
    times = Parameter(Tensor(np.zeros((4, 3))), name="run_measures")
    save_state(tmp_path, Progress(epoch=3, step=2), {**weight(1), "run_measures": times}, {})
    now = {**weight(2), "run_measures": Parameter(Tensor(np.ones((4, 6))), name="m")}
    assert load_state(tmp_path, now, Workers())[0] == Progress(epoch=3, step=2)
    np.testing.assert_array_equal(now["w"].asnumpy(), weight(1)["w"].asnumpy())
    np.testing.assert_array_equal(now["run_measures"].asnumpy(), np.ones((4, 6)))


def test_state_of_another_network_is_refused(tmp_path):
    save(tmp_path, 1)
    other = {"v": Parameter(Tensor(np.ones(2, np.float32)), name="v")}
    with pytest.raises(InputError, match="2 entries differ, the first is v"):
        load_state(tmp_path, other, Workers())
    np.testing.assert_array_equal(other["v"].asnumpy(), [1, 1])


def test_the_newest_two_are_kept_and_the_newest_whole_one_is_taken(tmp_path):
    assert not holds_run(tmp_path)
    for epoch in (1, 2, 3):
        save(tmp_path, epoch)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((STATE, PREVIOUS)) and holds_run(
        tmp_path
    )
    assert_loads(tmp_path, 3)
    newest = bytearray((tmp_path / STATE).read_bytes())
    newest[len(newest) // 2] ^= 1
    (tmp_path / STATE).write_bytes(newest)
    (fault,) = assert_loads(tmp_path, 2, faults=1)
    assert STATE in fault and "CRC-32 does not match" in fault
    (tmp_path / STATE).unlink()  # killed between the two renames
    (fault,) = assert_loads(tmp_path, 2, faults=1)
    assert STATE in fault and "No such file" in fault and holds_run(tmp_path)


def test_a_state_without_its_checksum_is_not_taken(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(whole[:-17])
    (fault,) = assert_loads(tmp_path, 1, faults=1)
    assert "checksum is missing" in fault


def test_two_damaged_states_are_both_named(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    for name in (STATE, PREVIOUS):
        (tmp_path / name).write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=rf"{STATE}: .*; .*{PREVIOUS}: "):
        load_state(tmp_path, weight(1), Workers())


class OneOfTwo(Workers):
    """Worker `rank` of a job of two that sees what the first one says."""

    def __init__(self, rank):
        super().__init__(rank, 2)

    def agree(self, number):
        return number if self.first else 1

    def sum(self, values):
        return [2 * value for value in values]


def test_in_the_middle_of_an_epoch_each_worker_gets_its_own_rows(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    save(tmp_path, 1, {"w": rows})
    for rank in (0, 1):
        tensors = weight(9)
        progress, _ = load_state(tmp_path, tensors, OneOfTwo(rank))
        assert progress.epoch == 1
        np.testing.assert_array_equal(tensors["w"].asnumpy(), rows[rank])
    with pytest.raises(InputError, match="middle of an epoch of 2 workers; expected as many, got 1"):
        load_state(tmp_path, weight(9), Workers())
