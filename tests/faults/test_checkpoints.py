"""Damaged files of a run: refused by name, or the state before goes on; nothing is overwritten that could be of use."""

import json
import random
import re
import shutil
import subprocess

import pytest

from src.checkpoint.file import CRC_BYTES, read_checkpoint, save_checkpoint
from src.checkpoint.loading import load_weights
from src.common.errors import InputError
from src.learn.state import PREVIOUS, STATE
from tests.faults.jobs import ROOT, assert_equal, environment, python, timeless
from tests.learn.stages import small_network
from tests.small import SMALL

STATES, WEIGHTS = (STATE, PREVIOUS), ("best.ckpt", "last.ckpt")
RUN = (
    "stage=teacher", "stages.teacher.epochs=3", "stages.teacher.warmup_epochs=0", "train.steps_per_epoch=3",
    "data.image_size=8", "data.batch_size=16", *SMALL, "resume=true",
)  # fmt: skip


def train(out, *overrides):
    command = python("train.py", "--output_dir", out, *RUN, *overrides)
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """output_dir of a run of three epochs that was killed before its summary; beside it, as "whole", as it ended."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    done = train(out)
    assert done.returncode == 0, done.stderr
    shutil.copytree(out, out.parent / "whole")
    (out / "summary.json").unlink()
    return out


@pytest.fixture
def run(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "out") / "teacher"


def flip(path, place=0.5):
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 4
    path.write_bytes(data)


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_refused(done, *words):
    """Exit code 2 and one line with these words."""
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(str(word) in done.stderr for word in words), done.stderr


def damages(data, chance):
    """Cut short, or with one to five bits flipped, somewhere."""
    if chance.random() < 0.5:
        return data[: chance.randrange(len(data))]
    data = bytearray(data)
    for place in {chance.randrange(8 * len(data)) for _ in range(chance.randint(1, 5))}:
        data[place // 8] ^= 1 << place % 8
    return bytes(data)


def test_every_damage_of_a_checkpoint_is_refused_with_its_name(tmp_path, often, tell):
    """Of files as a run has them. Without its end a file is one without a checksum, as others write them: where it was cut
    between two tensors the rest is read, and refused by the network for what is missing. States must have theirs."""
    chance, count, allowed = random.Random(1), often(50, 1000), 0
    network = small_network(1)
    for name in (*STATES, *WEIGHTS):
        path, checked = tmp_path / name, name in STATES
        save_checkpoint(path, network)
        whole = path.read_bytes()
        assert read_checkpoint(path, checked=checked).keys()
        for data in [whole[:-CRC_BYTES], *(damages(whole, chance) for _ in range(count))]:
            path.write_bytes(data)
            if data == whole[:-CRC_BYTES] and not checked:
                assert read_checkpoint(path).keys()
                continue
            try:
                read_checkpoint(path, checked=checked)
            except InputError as error:
                assert str(path) in str(error) and "\n" not in str(error)
            else:
                assert not checked, name
                allowed += data[: len(whole) - CRC_BYTES] == whole[:-CRC_BYTES]
                if len(data) < len(whole) - CRC_BYTES:
                    with pytest.raises(InputError, match=f"{re.escape(str(path))} does not fit the network"):
                        load_weights(network, read_checkpoint(path), path)
                else:
                    assert data[: len(whole) - CRC_BYTES] == whole[:-CRC_BYTES], name
    tell(
        "damaged checkpoint",
        f"cut or with flipped bits: refused, the file named; {allowed} with whole weights and a damaged mark of the checksum were read",
        4 * count,
    )


def test_a_damaged_state_gives_way_to_the_one_before(run, stopped, tell):
    flip(run / STATE)
    done = train(run.parent)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "the run state before it is taken" in line]
    assert len(said) == 1 and str(run / STATE) in said[0] and "CRC-32 does not match" in said[0]
    assert "goes on after epoch 2" in done.stdout
    for name in WEIGHTS:
        assert_equal(run / name, stopped.parent / "whole" / "teacher" / name)
    assert timeless(run) == timeless(stopped.parent / "whole" / "teacher")
    tell("damaged newest state", "resume=true fell back to the one before", 1, "the steps between the two")


def test_two_damaged_states_are_both_named_and_nothing_is_overwritten(run, tell):
    flip(run / STATE)
    (run / PREVIOUS).write_bytes((run / PREVIOUS).read_bytes()[:-CRC_BYTES])
    before = content(run)
    assert_refused(train(run.parent), run / STATE, run / PREVIOUS, "CRC-32", "checksum is missing")
    assert content(run) == before
    tell("both states damaged", "refused, both named; no file changed", 1)


def test_damaged_weights_are_refused_by_what_uses_them(run, often, tell):
    flip(run / "best.ckpt")
    before = content(run)
    more = ("stage=step1", "stages.step1.init=teacher", "stages.step1.teacher=", "stages.step1.kd_alpha=0")
    assert_refused(train(run.parent, *more), run / "best.ckpt", "CRC-32")
    command = python("eval.py", "--checkpoint", run / "best.ckpt")
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert_refused(done, run / "best.ckpt", "CRC-32")
    assert content(run) == before and not (run.parent / "step1" / "best.ckpt").exists()
    tell("damaged best.ckpt", "refused by the next stage and by eval.py", 2)


GOOD = json.dumps({"epoch": 1, "top1": 0.5})
FILES = {
    "metrics.jsonl": [
        f'{GOOD}\n{{"epoch": 2, "to\n{GOOD}\n',
        f"{GOOD}\n\x00\x07garbage\n",
        f"{GOOD}\n[]\n",
        f'{GOOD}\n{{"epoch": "x"}}\n',
        f'{GOOD}\n{{"epoch": 2, "top1": 0.1, "train_loss": "low"}}\n',
    ],
    "config.yaml": ["", "stage: [", "- a\n- b\n", "stage: 3\n", "\x00", "model:\n  nme: bimlp_t\n", None],
    "../summary.json": ["", "[]", '{"stages": 3}', '{"stages": [{"epochs": 1}]}', "{"],
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_record_of_the_run_is_one_clear_line(run, often, tell, name):
    """Before anything is trained or changed; None: the file is gone."""
    path = (run / name).resolve()
    texts = FILES[name][: often(1, None)]
    for text in texts:
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        before = content(run)
        assert_refused(train(run.parent), path)
        assert content(run) == before
    tell(f"damaged {path.name}", "resume=true refused, the file named; nothing changed", len(texts))
