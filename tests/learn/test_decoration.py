"""Decorations of a run: pictures in the project's style, and faults of pictures and TensorBoard that end nothing."""

import resource

import matplotlib
import mindspore as ms
import pytest
from PIL import Image

from src.learn import loop
from src.learn.curves import draw_stage
from src.learn.decoration import Decoration
from src.learn.loop import run_stage
from src.learn.records import read_records, write_record
from src.learn.tensorboard import TensorBoardWriter
from tests.learn.stages import small_stage

RECORDS = [
    {"epoch": n, "train_loss": 1 / n, "train_top1": 0.1, "top1": 0.2, "top5": 0.5, "flip_ratio": 0.0}
    for n in (1, 2)
]
ODD = {
    "text.usetex": True,
    "font.family": "No Such Font",
    "axes.facecolor": "black",
    "figure.dpi": 7,
    "savefig.bbox": "tight",
}


def test_the_picture_does_not_depend_on_the_users_settings(tmp_path):
    draw_stage(tmp_path / "own.png", RECORDS, "stage")
    with matplotlib.rc_context(ODD):
        draw_stage(tmp_path / "odd.png", RECORDS, "stage")
        assert matplotlib.rcParams["text.usetex"]
    assert (tmp_path / "odd.png").read_bytes() == (tmp_path / "own.png").read_bytes()


def test_faults_are_told_once_and_the_picture_comes_when_it_can(tmp_path):
    said = []
    decoration, before = (
        Decoration(tmp_path, "stage", True, said.append),
        resource.getrlimit(resource.RLIMIT_FSIZE),
    )
    written = [write_record(tmp_path, record) for record in RECORDS]
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        for record in written:
            decoration.write(record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    picture, tensorboard = said
    assert "curves.png: cannot be written: File too large; training goes on" in picture
    assert (
        "TensorBoard (train.summary) cannot be written: File too large; training goes on without"
        in tensorboard
    )
    decoration.write(written[1])
    decoration.close()
    assert len(said) == 2 and Image.open(tmp_path / "curves.png").format == "PNG"


@pytest.mark.parametrize("error", [RuntimeError("latex could not be found"), MemoryError("no memory")])
def test_any_fault_of_drawing_is_a_remark(tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("src.learn.records.draw_stage", fail)
    said = []
    Decoration(tmp_path, "stage", False, said.append).draw()
    assert said == [f"the curves cannot be drawn: {error}; training goes on"]


def test_a_stage_goes_on_without_picture_and_tensorboard(tmp_path, monkeypatch, capsys):
    """Both come after the run state; the picture that was in the way is drawn when the run is started again."""
    ms.set_context(mode=ms.GRAPH_MODE)
    (tmp_path / "curves.png").mkdir()
    order, save_state = [], loop.save_state

    def fail(self, record):
        order.append("tensorboard")
        raise ConnectionError("the disk is gone")

    monkeypatch.setattr(TensorBoardWriter, "write", fail)
    monkeypatch.setattr(loop, "save_state", lambda *given: order.append("state") or save_state(*given))
    summary = run_stage(small_stage(tmp_path, "train.summary=true"), resume=False)
    assert order == ["state", "tensorboard", "state", "state"]
    assert summary["epochs"] == 3 and [record["epoch"] for record in read_records(tmp_path)] == [1, 2, 3]
    said = [line for line in capsys.readouterr().out.splitlines() if "training goes on" in line]
    assert [line.split(":")[1] for line in said] == [
        " the curves cannot be drawn",
        " the disk is gone; training goes on without TensorBoard",
    ]
    (tmp_path / "curves.png").rmdir()
    run_stage(small_stage(tmp_path), resume=True)
    assert Image.open(tmp_path / "curves.png").format == "PNG"
