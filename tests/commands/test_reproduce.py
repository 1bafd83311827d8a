"""scripts/reproduce.py as a user starts it: costs, a table trained on few steps, going on, and what bad input gets."""

import json
import shutil

import pytest
from PIL import Image

from src.commands.reproduce import main
from src.common.files import read_summary
from tests.calls import call
from tests.commands.conftest import EPOCH, SHORT, process, start


def reproduce(*arguments):
    return call(main, *arguments)


def test_costs_of_a_table():
    done = reproduce("--table", "1", "--row", "BiMLP-S", "--cost")
    assert done.returncode == 0, done.stderr
    assert "### Table 1: BiMLP architectures" in done.stdout
    assert done.stdout.count("| agree") == 1 and "1.5603" in done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("tables")
    rows = ("BiMLP FP32", "BiMLP 1-bit")
    arguments = ("--table", "8", "--row", *rows, "--epochs", "1", "--output_dir", out, *SHORT)
    done = process("scripts/reproduce.py", *arguments)
    assert done.returncode == 0, done.stderr
    return out, arguments, done.stdout


def test_a_trained_table_leaves_markdown_json_and_picture(trained):
    out, _, said = trained
    data = json.loads((out / "table8.json").read_text())
    assert [row["name"] for row in data["rows"]] == ["BiMLP FP32", "BiMLP 1-bit"]
    assert data["about"] == "digits, 1 epoch per stage, one seed"
    binary = data["rows"][1]["seeds"][0]
    assert {
        "top1",
        "top5",
        "step1_top1",
        "teacher_top1",
        "images_per_second",
        "seconds",
        "seed",
    } <= binary.keys()
    # the row in full precision is the other's teacher
    assert data["rows"][0]["seeds"][0]["top1"] == binary["teacher_top1"]
    assert sorted(path.name for path in (out / "runs").iterdir()) == [
        "bimlp_t-binary-seed1",
        "bimlp_t-fp32-seed1",
    ]
    text = (out / "table8.md").read_text()
    assert "| BiMLP 1-bit |" in text and "70.0" in text and text.count(f"{100 * binary['top1']:.1f}") >= 1
    with Image.open(out / "table8.png") as picture:
        assert picture.size[0] == 1000
    assert said.count("BiMLP FP32, seed 1: top-1") == said.count("BiMLP 1-bit, seed 1: top-1") == 1


def test_a_row_that_is_done_is_not_trained_again(trained):
    out, arguments, _ = trained
    logs = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/train.log")}
    before = json.loads((out / "table8.json").read_text())
    assert reproduce(*arguments).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/train.log")} == logs and len(logs) == 2
    assert json.loads((out / "table8.json").read_text()) == before


def test_a_finished_run_is_not_taken_for_one_with_other_settings(trained):
    out, arguments, _ = trained
    done = reproduce(*arguments, "data.flip=0.5")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert (
        "holds a run with other settings (data.flip was 0.0, got 0.5); give another --output_dir"
        in done.stderr
    )


def test_a_given_teacher_serves_the_rows_and_the_picture_is_over_ops(tmp_path):
    short = ("data.image_size=32", "train.steps_per_epoch=12", "data.batch_size=16")
    trained = start(
        "train.py",
        "--output_dir",
        tmp_path / "t",
        "model.name=quicknet_nano",
        "stage=teacher",
        *EPOCH,
        *short,
    )
    assert trained.returncode == 0, trained.stderr
    arguments = (
        "--table",
        "fig1",
        "--row",
        "QuickNet",
        "--epochs",
        "1",
        "--output_dir",
        tmp_path,
        *short,
    )
    done = reproduce(*arguments, "--teacher", tmp_path / "t/teacher/best.ckpt")
    assert done.returncode == 0, done.stderr
    runs = {path.name: (path / "train.log").read_text() for path in (tmp_path / "runs").iterdir()}
    assert runs.keys() == {"quicknet_nano-binary-seed1"}
    assert all(log.count("taught by quicknet_nano,") == 2 for log in runs.values())
    rows = json.loads((tmp_path / "fig1.json").read_text())["rows"]
    teacher = read_summary(tmp_path / "t/summary.json")["teacher"]["top1"]
    assert [row["seeds"][0]["teacher_top1"] for row in rows] == [teacher]
    text = (tmp_path / "fig1.md").read_text()
    assert all(f"| {row['ops'] / 1e6:9.2f} |" in text for row in rows) and "ImageNet" not in text
    with Image.open(tmp_path / "fig1.png") as picture:
        assert picture.size == (800, 500)
    shutil.copytree(tmp_path / "t", tmp_path / "u")
    done = reproduce(*arguments, "--teacher", tmp_path / "u/teacher/best.ckpt")
    assert (
        done.returncode == 2
        and "holds a run with other settings (stages.step1.teacher_checkpoint was" in done.stderr
    )


def test_a_teacher_that_cannot_serve_is_refused_before_anything_is_trained(trained, tmp_path):
    source = trained[0] / "runs/bimlp_t-fp32-seed1/teacher"
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("best.ckpt", "config.yaml"):
        (alone / name).write_bytes((source / name).read_bytes())
    for row, teacher, message in (
        ("w/ Uni-shortcut", tmp_path / "none.ckpt", "expected a file, got: no such file"),
        (
            "w/ Uni-shortcut",
            alone / "best.ckpt",
            "expected a stage's folder in its run's, with summary.json, got none",
        ),
        (
            "w/o shortcut",
            source / "best.ckpt",
            "expected settings that leave a teacher as it is, got model.shortcut",
        ),
    ):
        arguments = ("--table", "5", "--row", row, "--epochs", "1", "--output_dir", tmp_path / "out")
        done = reproduce(*arguments, "--teacher", teacher)
        assert done.returncode == 2 and message in done.stderr, done.stderr
        assert not (tmp_path / "out").exists()


def test_a_data_path_is_read_without_a_config(tmp_path):
    """Not passed over for the embedded digits: an empty folder stops the first row."""
    (tmp_path / "data").mkdir()
    arguments = (
        "--table",
        "5",
        "--data_path",
        tmp_path / "data",
        "--epochs",
        "1",
        "--output_dir",
        tmp_path / "out",
    )
    done = reproduce(*arguments)
    assert (
        done.returncode == 2
        and "training ended with code 2" in done.stderr
        and str(tmp_path / "data") in done.stderr
    )


def test_a_failing_row_is_named_with_its_log(tmp_path):
    done = reproduce("--table", "5", "--epochs", "1", "--output_dir", tmp_path, "data.source=cifar10")
    assert done.returncode == 2
    assert (
        "bimlp_t-fp32-shortcut=none-seed1: training ended with code 2" in done.stderr
        and "train.log" in done.stderr
    )


def test_ability_says_the_formula_and_measures():
    done = reproduce("--ability")
    assert done.returncode == 0, done.stderr
    assert "| Wave-MLP  | FC              |  64 |            65 |             4,096 |" in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith("| stages.")]
    assert len(rows) == 14 * 5  # binary layers of a block, blocks of bimlp_t
    for line in rows:
        _, name, inputs, bound, distinct, _, share, _ = (cell.strip() for cell in line.split("|"))
        assert int(bound.replace(",", "")) == int(inputs.replace(",", "")) + 1
        assert 1 < int(distinct.replace(",", "")) <= 2 * int(inputs.replace(",", "")) + 1


def test_linearity_is_measured():
    done = reproduce("--linearity", "model.options={widths: [8, 16], depths: [1, 1]}")
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| stages.")]
    assert len(rows) == 14 * 2
    for row in rows:
        error, mean, lowest, highest = map(float, row[2:6])
        assert 0 < error < 1 and 0 <= lowest <= mean <= highest <= 1
    assert "random weights, 120 images of digits" in done.stdout


@pytest.mark.parametrize("arguments,message", [
    ((), "expected --table with all or some of fig1, 1, 2, 3"),
    (("--table", "9", "--cost"), "--table: expected all or some of fig1, 1, 2, 3, 4, 5, 6, 7, 8, fig4, got '9'"),
    (("--table", "5", "--row", "dense", "--epochs", "1"), "table 5 has the rows w/o shortcut, w/ Uni-shortcut, w/ shortcut, got 'dense'"),
    (("--table", "5"), "--epochs: expected 1 or more to train, got 0"),
    (("--table", "1", "--epochs", "1"), "--table 1: its rows are not variants to compare"),
    (("--table", "5", "--epochs", "1", "--seeds", "0"), "--seeds: expected 1 or more to train, got 0"),
    (("--table", "5", "--cost", "--row", "dense"), "table 5 has the rows w/o shortcut"),
    (("--table", "5", "--cost", "model.norm=layer"), "--cost: expected no settings, rows have their own, got model.norm=layer"),
    (("--table", "5", "--epochs", "1", "model.branches=[1,1,2,1]"), "the first and the third even"),
    (("--table", "5", "--epochs", "1", "model.quantizer=rotated"), "model.quantizer: expected one of auto, bimlp, sign"),
])  # fmt: skip
def test_refuses_in_one_line_with_what_is_allowed(arguments, message):
    done = reproduce(*arguments)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
