"""The report on runs: what it reads from folders as train.py leaves them, and what bad input gets."""

import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from src.commands import report
from src.learn.curves import curve
from src.settings.command_line import run
from src.settings.config import load_config, save_config, with_values

ROOT = Path(__file__).resolve().parents[2]
OLD = {
    "train_loss": 2.5,
    "train_top1": 0.2,
    "top1": 0.25,
    "top5": 0.5,
    "flip_ratio": 0.01,
    "learning_rate": 0.1,
}
OLD |= {"seconds": 36.0, "images_per_second": 1000.4}
NEW = {**OLD, "compile_seconds": 72.0, "step_seconds": 0.0125, "data_wait": 0.25, "gradient_norm": 3.0}


def stage_folder(folder, *records, stage="step2", epochs=3):
    """A stage's folder; the records get their epochs."""
    folder.mkdir(parents=True)
    values = {"stage": stage, f"stages.{stage}.epochs": epochs, "model.num_classes": 10}
    save_config(with_values(load_config(), values), folder / "config.yaml")
    lines = [json.dumps({"epoch": epoch, **record}) + "\n" for epoch, record in enumerate(records, start=1)]
    if records:
        (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def cells(paths):
    """The table's rows below its header, as lists of cells."""
    lines = report.table(report.read_runs(paths)).splitlines()
    assert len({len(line) for line in lines}) == 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_finished_stage_in_full(tmp_path):
    records = (
        NEW,
        {**NEW, "top1": 0.75, "compile_seconds": 0.0, "step_seconds": 0.01},
        {**NEW, "train_loss": 1.5},
    )
    folder = stage_folder(tmp_path / "step2", *records)
    hours = (3 * 36 + 2 * 72) / 3600
    expected = ["step2", "bimlp_t", "binary", "3/3", "0.7500", "2", "1.5000", "1000", "12.5", "25 %"]
    assert cells([folder]) == [[*expected, f"{hours:.3f}", "finished"]]


def test_a_run_in_progress_has_a_last_line_half_written(tmp_path):
    folder = stage_folder(tmp_path / "run" / "step1", NEW, {**NEW, "top1": 0.5}, stage="step1")
    whole = (folder / "metrics.jsonl").read_bytes()
    for length in range(len(whole) // 2 + 1, len(whole)):
        (folder / "metrics.jsonl").write_bytes(whole[:length])
        ((_, _, precision, epochs, top1, *_, state),) = cells([tmp_path / "run"])
        assert (precision, epochs, top1, state) == ("binary_act", "1/3", "0.2500", "in progress")


def test_records_of_older_runs_lack_the_new_fields(tmp_path):
    folder = stage_folder(tmp_path / "step2", OLD)
    assert cells([folder])[0][6:] == ["2.5000", "1000", "-", "-", "0.010", "in progress"]


def test_before_the_first_epoch_nothing_is_known(tmp_path):
    folder = stage_folder(tmp_path / "step2")
    assert cells([folder])[0][3:] == ["0/3", "-", "-", "-", "-", "-", "-", "0.000", "in progress"]


def test_names_are_as_short_as_they_can_be(tmp_path):
    for name in ("a/x", "b/x"):
        for stage in ("step2", "teacher"):
            stage_folder(tmp_path / name / stage, NEW, stage=stage)
    one, other = tmp_path / "a" / "x", tmp_path / "b" / "x"
    assert list(report.read_runs([one])) == ["teacher", "step2"]
    assert list(report.read_runs([one / "step2", other])) == ["a/x/step2", "b/x/teacher", "b/x/step2"]
    assert list(report.read_runs([one / "step2", one, one / "."])) == ["step2", "teacher"]


def test_table_and_picture_are_written(tmp_path, capsys):
    stage_folder(tmp_path / "run" / "teacher", OLD, NEW, NEW, stage="teacher")
    stage_folder(tmp_path / "run" / "step1", stage="step1")
    out = tmp_path / "deep" / "out"
    assert run(report.main, [str(tmp_path / "run"), "--output", str(out)]) == 0
    text = (out / "table.md").read_text()
    assert capsys.readouterr().out.startswith(text) and text.startswith("| run ")
    assert text.splitlines()[1].startswith("| ------- | ") and text.count("\n") == 4
    assert {path.name for path in out.iterdir()} == {"table.md", "curves.png"}
    picture = np.asarray(Image.open(out / "curves.png").convert("RGB"))
    blue = (picture == (31, 119, 180)).all(
        axis=2
    )  # the first line's colour, in all six panels and the legend
    rows, columns = picture.shape[0] // 2, picture.shape[1] // 3
    for top in (0, rows):
        for left in (0, columns, 2 * columns):
            assert blue[top : top + rows, left : left + columns].any()


def test_curves_have_gaps_where_a_record_lacks_the_field():
    epochs, values = curve([{"epoch": 1}, {"epoch": 2, "step_seconds": 0.5}], "step_seconds", 1000)
    assert epochs == [1, 2] and math.isnan(values[0]) and values[1] == 500


def nothing_there(tmp_path):
    return tmp_path / "none", "none: expected a run of train.py .* got: no such folder"


def an_empty_folder(tmp_path):
    return tmp_path, "expected a run of train.py .* got: a folder without one"


def a_file(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    return tmp_path / "metrics.jsonl", "metrics.jsonl: expected a run of train.py .* got: a file"


def a_broken_line(tmp_path):
    folder = stage_folder(tmp_path / "step2", NEW)
    (folder / "metrics.jsonl").write_text('{"epoch": 1\n{"epoch": 2}\n')
    return folder, "metrics.jsonl, line 1: expected one JSON value"


def a_line_that_is_no_record(tmp_path):
    folder = stage_folder(tmp_path / "step2", NEW)
    (folder / "metrics.jsonl").write_text("3\n")
    return folder, "metrics.jsonl, line 1: expected the record of an epoch, got 3"


def settings_of_no_stage(tmp_path):
    save_config(load_config(), tmp_path / "config.yaml")
    return tmp_path, "config.yaml: expected the settings of one stage .* got all"


def broken_settings(tmp_path):
    folder = stage_folder(tmp_path / "step2", NEW)
    (folder / "config.yaml").write_text("model: [")
    return folder, "config.yaml"


BAD = [
    nothing_there, an_empty_folder, a_file, a_broken_line, a_line_that_is_no_record, settings_of_no_stage,
    broken_settings,
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
def test_bad_input_gets_one_message_and_writes_nothing(case, tmp_path, capsys):
    good = stage_folder(tmp_path / "good" / "step2", NEW)
    (tmp_path / "bad").mkdir()
    path, message = case(tmp_path / "bad")
    assert run(report.main, [str(good), str(path), "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and not (tmp_path / "out").exists()
    assert len(said.err.splitlines()) == 1
    assert re.match(f"error: .*{message}", said.err), said.err


@pytest.mark.parametrize("arguments", [[], ["--outputs", "x", "run"]])
def test_a_wrong_command_line_is_bad_input(arguments, capsys):
    assert run(report.main, arguments) == 2
    assert capsys.readouterr().err.startswith("error: command line: ")


def test_the_command_starts_without_the_framework(tmp_path):
    folder = stage_folder(tmp_path / "step2", NEW)
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['report', {str(folder)!r}, '--output', {str(tmp_path / 'out')!r}]\n"
        "try:\n    runpy.run_module('src.commands.report', run_name='__main__')\n"
        "except SystemExit as end:\n    sys.exit(end.code or ('mindspore' in sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "out" / "table.md").is_file()
