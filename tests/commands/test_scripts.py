"""train.py, eval.py and export.py as a user starts them: the whole way on few steps, and what bad input gets."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from src.settings.config import load_config
from tests.commands.conftest import EPOCH, ROOT, SHORT, picture_folder, process, start, succeed


def test_all_stages_leave_their_files_and_the_summary(trained):
    stages = json.loads((trained / "summary.json").read_text())["stages"]
    assert [stage["name"] for stage in stages] == ["teacher", "step1", "step2"]
    assert {"epochs", "top1", "top5", "seconds", "images_per_second"} <= stages[0].keys()
    for stage in stages:
        exported = {"best.packed", "best.onnx", "best.mindir"}  # by the fixtures of other tests
        names = {path.name for path in (trained / stage["name"]).iterdir()} - exported
        assert names == {"config.yaml", "metrics.jsonl", "curves.png", "best.ckpt", "last.ckpt", "state.ckpt"}


def test_evaluation_prints_the_score_of_the_summary(trained):
    best = trained / "step2" / "best.ckpt"
    last_line = succeed("eval.py", "--checkpoint", best).splitlines()[-1]
    score = json.loads(succeed("eval.py", "--checkpoint", best, "--json"))
    assert set(score) == {"top1", "top5", "correct", "total", "images_per_second"} and score["total"] == 360
    assert last_line == f"top1 = {score['top1']:.4f} ({score['correct']}/360)"
    summary = json.loads((trained / "summary.json").read_text())["stages"][-1]
    assert summary["top1"] == score["top1"] == score["correct"] / 360


def no_such_folder(tmp_path, trained):
    return ["train.py", "data.source=imagenet", "--data_path", tmp_path / "nowhere"], "nowhere"


def empty_class(tmp_path, trained):
    (picture_folder(tmp_path / "data") / "train" / "c").mkdir()
    (tmp_path / "data" / "val" / "c").mkdir()
    return ["train.py", "data.source=imagenet", "--data_path", tmp_path / "data"], r"train.c\b.*"


def no_pictures(tmp_path, trained):
    folder = picture_folder(tmp_path / "data", count=0)
    return ["train.py", "data.source=imagenet", "--data_path", folder], "data"


def broken_picture(tmp_path, trained):
    folder = picture_folder(tmp_path / "data")
    bad = folder / "train" / "a" / "1.png"
    bad.write_bytes(bad.read_bytes()[:40])
    return ["train.py", "data.source=imagenet", "--data_path", folder, "data.batch_size=2"], re.escape(
        str(bad)
    )


def unknown_key(tmp_path, trained):
    return ["train.py", "train.weight_decai=0.1"], "train.weight_decai.*train.weight_decay"


def mistyped_value(tmp_path, trained):
    return ["train.py", "data.batch_size=many"], "data.batch_size.*many"


def missing_key(tmp_path, trained):
    settings = (trained / "step2" / "config.yaml").read_text()
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "config.yaml").write_text(re.sub(r"\n  batch_size: \d+", "", settings))
    (folder / "best.ckpt").write_bytes((trained / "step2" / "best.ckpt").read_bytes())
    return ["eval.py", "--checkpoint", folder / "best.ckpt"], "data.batch_size"


def unknown_model(tmp_path, trained):
    return ["train.py", "model.name=bimlp_x"], "bimlp_x.*bimlp_"


def tiny_pictures(tmp_path, trained):
    return ["train.py", "stage=teacher", "data.image_size=2"], "data.image_size: bimlp_t expects at least 3"


def a_type_that_cpus_lack(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    command = ["eval.py", "--checkpoint", best, "model.compute_type=float16"]
    return command, "model.compute_type: expected float32 on a CPU"


def long_warm_up(tmp_path, trained):
    return ["train.py", "stages.teacher.epochs=1"], "stages.teacher.warmup_epochs.*1 epochs, got 2"


def other_architecture(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["eval.py", "--checkpoint", best, "model.branches=[0,2,0,1]"], "missing.*channel.1"


def other_class_count(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["eval.py", "--checkpoint", best, "model.num_classes=7"], r"head\.(weight|bias)"


def truncated_checkpoint(tmp_path, trained):
    folder = tmp_path / "stage"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((trained / "step2" / "config.yaml").read_bytes())
    whole = (trained / "step2" / "best.ckpt").read_bytes()
    (folder / "best.ckpt").write_bytes(whole[: len(whole) // 2])
    return ["eval.py", "--checkpoint", folder / "best.ckpt"], "best.ckpt"


def few_class_names(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return [
        "eval.py",
        "--checkpoint",
        best,
        "data.class_names=[a]",
    ], "data.class_names: expected 10 names.*got 1"


def names_for_training(tmp_path, trained):
    return ["train.py", "data.class_names=[a, b]"], "data.class_names: expected 10 names.*got 2"


def folder_of_no_source(tmp_path, trained):
    return ["train.py", "--data_path", tmp_path], "data.path: digits are embedded"


def weights_of_no_teacher(tmp_path, trained):
    command = ["train.py", "stages.teacher.teacher_checkpoint=" + str(trained / "step2" / "best.ckpt")]
    return command, "stages.teacher.teacher: expected the teacher"


def two_sources_of_a_teacher(tmp_path, trained):
    return ["train.py", "stages.step1.teacher_pretrained=true"], "stages.step1.teacher_pretrained.*got also"


def pictures_and_a_folder(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    command = ["eval.py", "--checkpoint", best, "--image", "a.png", "--data_path", tmp_path]
    return command, "expected --image or --data_path, got both"


def classes_of_pictures(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    command = ["eval.py", "--checkpoint", best, "--image", "a.png", "--per_class"]
    return command, "expected --image or --per_class, got both"


def data_for_an_export(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["export.py", "--checkpoint", best, "--data_path", tmp_path], "expected no --data_path"


def a_model_for_a_packed_file(tmp_path, trained):
    command = ["eval.py", "--checkpoint", tmp_path / "a.packed", "--model", "bimlp_t"]
    return command, "expected no --model"


def no_checkpoint(tmp_path, trained):
    return ["export.py", "--checkpoint", tmp_path / "none.ckpt"], "none.ckpt"


def air(tmp_path, trained):
    best = trained / "step2" / "best.ckpt"
    return ["export.py", "--checkpoint", best, "--file_format", "AIR"], "Ascend"


BAD = [
    no_such_folder, empty_class, no_pictures, broken_picture, unknown_key, mistyped_value, missing_key, unknown_model,
    long_warm_up, other_architecture, other_class_count, truncated_checkpoint, no_checkpoint, air,
    few_class_names, names_for_training, folder_of_no_source, weights_of_no_teacher, two_sources_of_a_teacher,
    pictures_and_a_folder, classes_of_pictures, data_for_an_export, a_model_for_a_packed_file,
    tiny_pictures, a_type_that_cpus_lack,
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
def test_bad_input_gets_one_message_and_writes_nothing(case, tmp_path, trained):
    command, message = case(tmp_path, trained)
    out = tmp_path / "written"
    before = sorted(path for path in tmp_path.rglob("*"))
    if command[0] == "train.py":
        command += ["--output_dir", out]
    done = (process if case is broken_picture else start)(*command)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("compiling ")]
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1 and errors[0].startswith("error: "), done.stderr
    assert re.search(message, errors[0]), errors[0]
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_an_output_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = process("train.py", "--output_dir", tmp_path / "file" / "out")
    assert done.returncode == 2 and "file" in done.stderr and "Traceback" not in done.stderr


def test_more_epochs_for_a_run_that_goes_on_are_refused_with_what_to_do_instead(trained):
    done = start("train.py", "--output_dir", trained, "resume=true", *SHORT, *EPOCH, "stages.step2.epochs=2")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    last = re.escape(str(trained / "teacher" / "last.ckpt"))
    assert re.search(
        rf"stages\.step2\.epochs was 1, got 2.*start from its weights: .*init={last}", done.stderr
    )


def documented_commands():
    """The lines of the bash blocks of README.md and docs/, continued lines joined."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    blocks = re.findall(r"```bash\n(.*?)```", "\n".join(page.read_text() for page in pages), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and "$LITE" not in line]


@pytest.mark.parametrize("command", documented_commands())
def test_documented_commands_are_understood(command):
    """Scripts exist and parse; flags and settings of the Python commands are known. Files need not exist."""
    words = re.sub(r"^([A-Z_]+=\S+ )+", "", command).split()
    if words[0] == "bash":
        script = ROOT / words[1]
        assert script.is_file()
        assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    elif words[:2] == ["python", "-m"]:
        assert process("-m", words[2], "--help").returncode == 0
    elif words[0] == "python":
        call = start if words[1] in ("train.py", "eval.py", "export.py") else process
        done = call(words[1], *words[2:], "--no-such-flag")
        assert done.returncode == 2 and "unknown flag --no-such-flag" in done.stderr, done.stderr
        settings = [word for word in words if re.match(r"[a-z_]\w*(\.\w+)*=", word)]
        config = next((words[i + 1] for i, word in enumerate(words) if word == "--config_path"), None)
        load_config(config, settings)
    else:
        assert words[0] == "source", command


@pytest.mark.thorough
def test_the_network_of_the_readme_trains_in_all_stages(tmp_path):
    """As it is, with spatial branches; the other tests have one that compiles quickly."""
    short = [setting for setting in SHORT if not setting.startswith("model.")]
    done = process("train.py", "--output_dir", tmp_path / "out", *short, *EPOCH)
    assert done.returncode == 0, done.stderr
    assert len(json.loads((tmp_path / "out" / "summary.json").read_text())["stages"]) == 3


def from_elsewhere(folder, script, *arguments):
    """Output of a script that is started in another folder, with this environment."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "VENV": str(folder),
    }
    command = ["bash", ROOT / "scripts" / script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_evaluation_script_works_from_any_folder(tmp_path, trained):
    assert "top1 = " in from_elsewhere(tmp_path, "run_eval.sh", trained / "step2" / "best.ckpt")


def test_export_script_writes_a_checked_file_from_any_folder(tmp_path, trained):
    out = tmp_path / "net.mindir"
    best = trained / "step2" / "best.ckpt"
    said = from_elsewhere(tmp_path, "run_export.sh", best, "MINDIR", "--output", out)
    assert str(out) in said and f"{out.stat().st_size}" in said and "largest difference" in said
