"""output_dir at the start of train.py: taken by one job, cleared of what a killed one left, refused before it is changed."""

import pytest

from src.commands.run_folder import check_folder, output_folder, resolved_settings
from src.common.errors import InputError
from src.learn.parallel import Workers
from src.learn.state import STATE
from src.settings.config import load_config, save_config, with_values

CLASSES = ("a", "b")


def settings(out, *overrides):
    return load_config(None, [f"output_dir={out}", *overrides])


def put_run(out, stage):
    """A folder with the settings of a run, and what stands for its state."""
    (out / stage).mkdir(parents=True)
    save_config(resolved_settings(settings(out), stage, CLASSES), out / stage / "config.yaml")
    (out / stage / STATE).touch()


def put_left_overs(out):
    """Files of a killed job of two workers: half a summary, and lists."""
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


def test_a_run_keeps_paths_that_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = [
        "data.path=photos",
        "checkpoint=a.ckpt",
        "stages.step2.init=../b.ckpt",
        "stages.step2.teacher_checkpoint=c",
    ]
    kept = resolved_settings(settings("out", *given), "step2", CLASSES)
    assert kept.data.path == str(tmp_path / "photos") and kept.checkpoint.path == str(tmp_path / "a.ckpt")
    step2 = kept.stages.step2
    assert (step2.init, step2.teacher_checkpoint) == (str(tmp_path.parent / "b.ckpt"), str(tmp_path / "c"))
    assert (kept.output_dir, kept.stages.step1.teacher, step2.teacher) == ("out", "teacher", "teacher")
    nothing = resolved_settings(settings("out"), "step2", CLASSES)
    assert (nothing.data.path, nothing.checkpoint.path, nothing.stages.step2.init) == ("", "", "step1")


@pytest.mark.parametrize("before", ["w/b.ckpt", "./w//b.ckpt", "ABSOLUTE", "link/b.ckpt"])
@pytest.mark.parametrize("now", ["w/b.ckpt", "ABSOLUTE", "link/b.ckpt", "other/../w/b.ckpt"])
def test_a_run_goes_on_with_a_file_that_is_named_in_another_way(tmp_path, monkeypatch, before, now):
    """As runs were kept with the paths that had been given."""
    monkeypatch.chdir(tmp_path)
    for name in ("w", "other", "run"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("w")
    (tmp_path / "w" / "b.ckpt").touch()
    before, now = (text.replace("ABSOLUTE", str(tmp_path / "w" / "b.ckpt")) for text in (before, now))
    old = with_values(resolved_settings(settings("out"), "step2", CLASSES), {"stages.step2.init": before})
    save_config(old, tmp_path / "run" / "config.yaml")
    (tmp_path / "run" / STATE).touch()

    def go_on(path):
        config = settings("out", "resume=true", f"stages.step2.init={path}")
        check_folder(tmp_path / "run", resolved_settings(config, "step2", CLASSES))

    go_on(now)
    for other in ("other/b.ckpt", "step1", "''"):
        with pytest.raises(InputError, match="stages.step2.init differ"):
            go_on(other)
    (tmp_path / "w" / "b.ckpt").rename(tmp_path / "other" / "b.ckpt")
    go_on("other/b.ckpt")
    with pytest.raises(InputError, match="stages.step2.init differ"):
        go_on("other/c.ckpt")
