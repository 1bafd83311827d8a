"""The command line: flags, overrides wherever they stand, help from the config's comments, exit codes."""

import importlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from src.common.errors import InputError
from src.settings.command_line import (
    config_beside,
    config_from,
    config_of_file,
    create_parser,
    flags_of,
    parse,
    run,
)
from src.settings.config import load_config, save_config
from src.settings.schema import TYPES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def parser():
    parser = create_parser("eval.py", "Evaluate.\n  python eval.py --checkpoint F")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--image", nargs="+", metavar="FILE", help="pictures to classify")
    return parser


@pytest.mark.parametrize(
    "argv", [["--data_path", "d", "--output_dir=o"], ["--data_path=d", "--output_dir", "o"]]
)
def test_flags_with_and_without_equals_sign(parser, argv):
    args = parse(parser, [*argv, "--device_target", "Ascend", "--checkpoint=c"])
    assert flags_of(args) == {
        "data.path": "d",
        "output_dir": "o",
        "device_target": "Ascend",
        "checkpoint.path": "c",
    }
    config = config_from(args)
    assert (config.data.path, config.output_dir, config.device_target, config.checkpoint.path) == (
        "d",
        "o",
        "Ascend",
        "c",
    )


def test_no_arguments_give_the_defaults(parser):
    assert config_from(parse(parser, [])) == load_config()


def test_overrides_are_found_wherever_they_stand_and_keep_their_order(parser):
    argv = ["seed=2", "--json", "seed=3", "--image", "a.png", "b.png", "seed=4", "--data_path", "x"]
    args = parse(parser, [*argv, "data.flip=1", "--output_dir", "run=1"])
    assert args.overrides == ["seed=2", "seed=3", "seed=4", "data.flip=1"]
    assert (args.image, args.json, args.data_path, args.output_dir) == (
        ["a.png", "b.png"],
        True,
        "x",
        "run=1",
    )
    assert config_from(args).seed == 4


def test_flags_win_over_overrides_and_overrides_over_the_file(parser, tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 5\ndata: {path: file, flip: 0.5}\n")
    argv = [
        "--config_path",
        str(tmp_path / "c.yaml"),
        "--data_path",
        "flag",
        "data.path=override",
        "data.flip=1",
    ]
    config = config_from(parse(parser, argv))
    assert (config.seed, config.data.path, config.data.flip) == (5, "flag", 1.0)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--outptu_dir", "x"], "unknown flag --outptu_dir; did you mean --output_dir?"),
        (["--imgae=x"], "unknown flag --imgae; did you mean --image?"),
        (["--out", "x"], "unknown flag --out"),  # no abbreviations
        (["--data.path=x"], "unknown flag --data.path; a setting is given without dashes: data.path=value"),
        (["--batch_size", "3"], "unknown flag --batch_size; did you mean data.batch_size=value"),
        (["--zzzzzz"], "unknown flag --zzzzzz; see --help"),
        (["--config_path"], "--config_path: expected one argument"),
        (["--image"], "--image: expected at least one argument"),
        (["train"], "expected section.key=value, got 'train'"),
        (["sede=3"], "unknown key sede; did you mean seed?"),
        (["--device_target", "NPU"], "device_target: expected one of CPU, GPU, Ascend, got 'NPU'"),
        (["--output_dir="], "output_dir: expected a text that is not empty"),
        (["--config_path="], "Is a directory"),
    ],
)
def test_mistakes_end_with_code_2_and_one_line(parser, capsys, argv, words):
    assert run(lambda given: config_from(parse(parser, given)), argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


def test_help_shows_usage_flags_and_every_key_with_its_comment(parser, capsys):
    with pytest.raises(SystemExit) as left:
        parse(parser, ["--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: python eval.py [--flag value ...] [section.key=value ...]\n")
    assert "python eval.py --checkpoint F" in text
    for flag in (
        "--config_path",
        "--data_path",
        "--output_dir",
        "--device_target",
        "--checkpoint",
        "--json",
        "--image",
    ):
        assert flag in text
    for key in TYPES:
        assert f"\n  {key}=" in text
    assert "images per device and training step" in text
    assert "weights of shared names are loaded" in text
    assert (
        text.index("\nmodel:\n")
        < text.index("  model.name=")
        < text.index("\ndata:\n")
        < text.index("  data.path=")
    )


def test_help_is_quick_and_does_not_import_the_framework():
    code = (
        "import sys; from src.settings.command_line import create_parser, parse\n"
        "try: parse(create_parser('train.py', 'Train.'), ['--help'])\n"
        "finally: assert 'mindspore' not in sys.modules and 'numpy' not in sys.modules"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - start < 5  # about 0.2 s; the framework alone takes more than 1 s


def test_run_gives_the_exit_code_of_main(capsys):
    def fails(argv):
        raise InputError("a: expected b,\ngot c")

    def stopped(argv):
        raise KeyboardInterrupt

    def broken(argv):
        raise RuntimeError("a defect")

    assert run(lambda argv: None, []) == 0
    assert run(lambda argv: 7, []) == 7
    assert run(lambda argv: len(argv), ["a", "b"]) == 2
    assert capsys.readouterr().err == ""
    assert run(fails, []) == 2
    assert capsys.readouterr().err == "error: a: expected b, got c\n"
    assert run(stopped, []) == 130
    with pytest.raises(RuntimeError):
        run(broken, [])


def test_an_error_without_a_number_keeps_its_words(capsys):
    def fails(argv):
        raise OSError("x.so: failed to map\nsegment")

    assert run(fails, []) == 2
    assert capsys.readouterr().err == "error: x.so: failed to map segment\n"


def test_config_beside_a_checkpoint(tmp_path):
    checkpoint = tmp_path / "best.ckpt"
    with pytest.raises(InputError, match="best.ckpt: expected a file, got: no such file"):
        config_beside(checkpoint)
    with pytest.raises(InputError, match="expected a file, got: a folder"):
        config_beside(tmp_path)
    checkpoint.write_bytes(b"x")
    with pytest.raises(InputError, match=r"in .*config.yaml, got: no such file; give .* --config_path"):
        config_beside(checkpoint)
    saved = load_config(None, ["model.name=bimlp_s", "data.class_names=[a, b]"])
    save_config(saved, tmp_path / "config.yaml")
    assert config_beside(checkpoint) == saved
    changed = config_beside(str(checkpoint), ["data.image_size=32"], {"data.path": "d"})
    assert (changed.model.name, changed.data.image_size, changed.data.path) == ("bimlp_s", 32, "d")
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    with pytest.raises(InputError, match="config.yaml: missing key stage, .* and .* more; .*--config_path"):
        config_beside(checkpoint)


def test_settings_are_found_beside_what_a_link_leads_to(tmp_path):
    """By links to links and by relative ones; settings beside the link itself come first."""
    run, links = tmp_path / "run", tmp_path / "links"
    run.mkdir(), links.mkdir()
    for name in ("best.ckpt", "best.packed"):
        (run / name).write_bytes(b"x")
        (links / f"first.{name}").symlink_to(f"../run/{name}")
        (links / name).symlink_to(links / f"first.{name}")
    save_config(load_config(None, ["model.name=bimlp_s"]), run / "config.yaml")
    assert config_beside(links / "best.ckpt").model.name == "bimlp_s"
    arguments = parse(create_parser("eval.py", ""), ["--checkpoint", str(links / "best.packed")])
    assert config_of_file(arguments).model.name == "bimlp_s"
    assert config_of_file(arguments).checkpoint.path == str(links / "best.packed")
    save_config(load_config(None, ["model.name=bimlp_m"]), links / "config.yaml")
    assert config_beside(links / "best.ckpt").model.name == "bimlp_m"
    assert config_of_file(arguments).model.name == "bimlp_m"


def test_the_message_names_both_places_of_a_link(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.ckpt").write_bytes(b"x")
    (tmp_path / "best.ckpt").symlink_to(tmp_path / "run" / "best.ckpt")
    places = f"{tmp_path / 'config.yaml'} or {tmp_path / 'run' / 'config.yaml'}, got: no such file"
    with pytest.raises(InputError, match=re.escape(places)):
        config_beside(tmp_path / "best.ckpt")


def test_developers_see_the_traceback_of_an_error():
    code = "from src.settings.command_line import run; from src.common.errors import InputError\ndef main(argv): raise InputError('mine')\nrun(main)"
    plain, dev = (
        subprocess.run([sys.executable, *words, "-c", code], cwd=ROOT, capture_output=True, text=True).stderr
        for words in ((), ("-X", "dev"))
    )
    assert plain == "error: mine\n"
    assert "in main" in dev and dev.splitlines()[-1] == "error: mine"


def test_the_home_folder_in_flags(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    words = ["--config_path=~/a", "--data_path", "~/b", "--output_dir=~/c", "--checkpoint", "~/d"]
    args = parse(create_parser("eval.py", ""), words)
    assert (args.config_path, args.data_path, args.output_dir, args.checkpoint) == tuple(
        f"/home/me/{name}" for name in "abcd"
    )
    assert importlib.import_module("eval").arguments(["--image", "~/a.png", "b.png"]).image == [
        "/home/me/a.png",
        "b.png",
    ]
    assert importlib.import_module("export").arguments(["--output=~/x"]).output == "/home/me/x"
