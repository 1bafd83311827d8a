"""output_dir at the start of train.py: taken by one job, cleared of what a killed one left, refused before it is changed."""

import pytest

from src.config import load_config, save_config
from src.errors import InputError
from src.learn.parallel import Workers
from src.learn.state import STATE
from train import output_folder, resolved_settings

CLASSES = ("a", "b")


def settings(out, *overrides):
    return load_config(None, [f"output_dir={out}", *overrides])


def put_run(out, stage):
    """A folder with the settings of a run, and what stands for its state."""
    (out / stage).mkdir(parents=True)
    save_config(resolved_settings(settings(out), stage, CLASSES), out / stage / "config.yaml")
    (out / stage / STATE).touch()


def put_left_overs(out):
    """What a killed job of two workers left: half a summary, and lists."""
    (out / ".summary.json.x7.part").mkdir(parents=True)
    (out / ".summary.json.x7.part" / "summary.json").write_text("{")
    for name in ("skipped.jsonl", "skipped.rank1.jsonl"):
        (out / name).write_text("{}\n")


def content(out):
    return {path: path.is_file() and path.read_bytes() for path in out.rglob("*")}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [((), "step2: holds a run; give resume=true"), (("resume=true", "train.eps=1"), "train.eps differ")],
)
def test_a_later_stage_that_cannot_begin_is_refused_before_the_first_one_trains(tmp_path, overrides, message):
    put_run(tmp_path, "step2")
    put_left_overs(tmp_path)
    before = content(tmp_path)
    config = settings(tmp_path, *overrides)
    with (
        pytest.raises(InputError, match=message),
        output_folder(config, ("teacher", "step1", "step2"), CLASSES, Workers()),
    ):
        pass
    assert content(tmp_path) == before


def test_left_overs_of_a_killed_job_are_removed(tmp_path):
    put_run(tmp_path, "step2")
    put_left_overs(tmp_path)
    (tmp_path / "mine.txt").touch()
    with output_folder(settings(tmp_path, "resume=true"), ("step2",), CLASSES, Workers()):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "step2"]


def test_output_dir_is_one_jobs_also_for_another_stage(tmp_path):
    out = tmp_path / "out"
    with output_folder(settings(out), ("teacher",), CLASSES, Workers()):
        with (
            pytest.raises(InputError, match="out: another process is training here"),
            output_folder(settings(out), ("step1",), CLASSES, Workers()),
        ):
            pass
        with output_folder(
            settings(out), ("teacher",), CLASSES, Workers(1, 2)
        ):  # a further worker of the job
            pass
    with output_folder(settings(out), ("step1",), CLASSES, Workers()):
        pass
