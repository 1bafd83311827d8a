"""Summary files for TensorBoard: what they hold, also after a stop, and the option's place among the settings."""

import resource
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.commands.run_folder import begin_folder, check_folder
from src.common.errors import InputError
from src.common.files import read_json_lines
from src.learn.loop import run_stage
from src.learn.tensorboard import TensorBoardWriter
from src.settings.config import load_config, save_config
from tests.learn.stages import small_stage

ROOT = Path(__file__).resolve().parents[2]
START = 1  # SessionLog.START


def events(path):
    """The events of one file: length (8 bytes), its CRC (4), the message, its CRC (4), and so on."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 12 + length + 4


def shown(folder):
    """Scalars that TensorBoard shows of a folder: {tag: [(step, value), ...]}; a START forgets its step and later ones."""
    tags = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in events(path):
            if event.HasField("session_log") and event.session_log.status == START:
                tags = {tag: [p for p in points if p[0] < event.step] for tag, points in tags.items()}
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append((event.step, value.simple_value))
    return tags


def test_an_epoch_trained_again_is_shown_once(tmp_path):
    """The first process wrote epoch 2 and was stopped before its run state was."""
    first = TensorBoardWriter(tmp_path)
    for epoch, loss in ((1, 4.0), (2, 3.0)):
        first.write({"epoch": epoch, "train_loss": loss})
    first.close()
    time.sleep(1.1)  # a file's name holds the second
    second = TensorBoardWriter(tmp_path)
    for epoch, loss in ((2, 2.5), (3, 2.0)):
        second.write({"epoch": epoch, "train_loss": loss})
    second.close()
    assert shown(tmp_path) == {"train_loss": [(1, 4.0), (2, 2.5), (3, 2.0)]}


def test_a_full_disk_is_an_error_of_the_epoch_and_nobody_waits(tmp_path):
    summary, before = TensorBoardWriter(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    summary.write({"epoch": 1, "train_loss": 4.0})
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, before[1]))
    try:
        with pytest.raises(
            InputError, match=r"TensorBoard \(train.summary\) cannot be written: File too large"
        ):
            summary.write({"epoch": 2, **{f"figure{i}": float(i) for i in range(50)}})
        summary.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path):
    with pytest.raises(InputError, match="stage: .* No such file"):
        TensorBoardWriter(tmp_path / "stage").write({"epoch": 1, "train_loss": 4.0})
    assert not (tmp_path / "stage").exists()


def test_without_a_record_no_file_is_made(tmp_path):
    TensorBoardWriter(tmp_path / "stage").close()
    assert not (tmp_path / "stage").exists()


def test_a_stage_writes_its_metrics(tmp_path):
    run_stage(small_stage(tmp_path, "train.summary=true", "stages.step2.epochs=2"), resume=False)
    records = read_json_lines(tmp_path / "metrics.jsonl")
    found = shown(tmp_path)
    assert found.keys() == records[0].keys() - {"epoch"} and len(records) == 2
    for tag, points in found.items():
        assert points == [(r["epoch"], pytest.approx(r[tag], rel=1e-6)) for r in records]


def test_without_the_library_training_is_refused_before_anything_is_written(tmp_path):
    (tmp_path / "tensorboardX.py").write_text("raise ImportError('not here')")
    out = tmp_path / "out"
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import train; sys.exit(train.run(train.main))"
    command = [sys.executable, "-c", code, "--output_dir", str(out), "train.summary=true"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not out.exists()
    expected = (
        "error: train.summary: expected the library tensorboardX, got: not here; pip install tensorboardX"
    )
    assert done.stderr == expected + "\n"


def test_a_resumed_run_may_change_it_and_an_older_run_lack_it(tmp_path):
    begin_folder(tmp_path, load_config())
    (tmp_path / "state.ckpt").touch()
    check_folder(tmp_path, load_config(None, ["resume=true", "train.summary=true"]))
    saved = (tmp_path / "config.yaml").read_text().splitlines(keepends=True)
    (tmp_path / "config.yaml").write_text("".join(line for line in saved if "summary" not in line))
    assert load_config(tmp_path / "config.yaml", complete=True) == load_config()
    check_folder(tmp_path, load_config(None, ["resume=true", "train.summary=true"]))
    with pytest.raises(InputError, match="train.eps differ"):
        check_folder(tmp_path, load_config(None, ["resume=true", "train.eps=1"]))
    save_config(load_config(None, ["train.summary=true"]), tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml", complete=True).train.summary
