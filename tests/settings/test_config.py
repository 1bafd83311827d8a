"""Settings: what is read comes out typed, in the right order of precedence, and every slip gets its own message."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest
import yaml

from src.common.errors import InputError
from src.settings.config import DEFAULT_CONFIG, Config, load_config, save_config, some, to_flat, with_values
from src.settings.help import describe_keys, help_text
from src.settings.schema import RENAMED, TRAITS, TYPES, keys_with, rule_of


def written(tmp_path, text):
    path = tmp_path / "overlay.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


# --- values ---


def test_the_defaults_are_those_of_the_file():
    raw = yaml.safe_load(DEFAULT_CONFIG.read_text(encoding="utf-8"))
    config = load_config()
    assert config.model.branches == tuple(raw["model"]["branches"])
    assert config.train.eps == 1e-8
    assert config.stages.step2.precision == raw["stages"]["step2"]["precision"]
    assert config.data.batch_size == raw["data"]["batch_size"]
    assert all(
        type(value) is (TYPES[key] if isinstance(TYPES[key], type) else tuple) for key, value in flat(config)
    )


def flat(config):
    return to_flat(config).items()


def test_the_config_is_frozen_and_hashable():
    config = load_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.data.batch_size = 3
    assert hash(config) == hash(load_config())


def test_later_wins_defaults_file_overrides_flags(tmp_path):
    path = written(tmp_path, "seed: 2\ndata:\n  batch_size: 2\n  path: file\n")
    config = load_config(
        path, ["data.batch_size=3", "data.path=override"], {"data.path": "flag", "checkpoint.path": None}
    )
    assert (config.seed, config.data.batch_size, config.data.path) == (2, 3, "flag")
    assert config.data.image_size == load_config().data.image_size
    assert load_config(None, ["seed=3", "seed=4"]).seed == 4


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "data:\n", "model: {}\n"])
def test_a_file_without_keys_changes_nothing(tmp_path, text):
    assert load_config(written(tmp_path, text)) == load_config()


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("train.eps=5e-4", 5e-4),  # text for YAML 1.1
        ("train.eps=1", 1.0),
        ("train.eps=.5", 0.5),
        ("model.branches=[4,1,2,2]", (4, 1, 2, 2)),
        ("data.mean=[0, 5e-1, 0.5]", (0.0, 0.5, 0.5)),
        ("data.class_names=[a, 'b c', \"1\"]", ("a", "b c", "1")),
        ("data.class_names=[]", ()),
        ("resume=true", True),
        ("output_dir=1", "1"),
        ("output_dir=no", "no"),
        ("data.path=a=b # c", "a=b # c"),
        ('data.path="quoted"', "quoted"),
        ('stages.step2.teacher=""', ""),
        ("stages.step2.teacher=", ""),
    ],
)
def test_overrides_are_typed_by_their_key(override, value):
    key = override.partition("=")[0]
    got = to_flat(load_config(None, [override]))[key]
    assert got == value
    assert type(got) is type(value)
    if isinstance(value, tuple):
        assert [type(item) for item in got] == [type(item) for item in value]


def test_a_number_without_a_point_does_for_a_float_in_a_file_too(tmp_path):
    config = load_config(written(tmp_path, "train: {eps: 5e-4, weight_decay: 1, betas: [0, 9e-1]}\n"))
    assert (config.train.eps, config.train.weight_decay, config.train.betas) == (5e-4, 1.0, (0.0, 0.9))


# --- saving ---


def test_a_saved_config_loads_back_equal(tmp_path):
    config = load_config(
        None,
        [
            "train.eps=1.2345678901234567e-8",
            "data.path=C:\\x # y",
            "data.mean=[0.1,0.2,0.3]",
            "checkpoint=null",
        ],
        {"output_dir": "füße"},
    )
    names = (
        "1",
        "no",
        "null",
        "a: b",
        "# c",
        "",
        "ü",
        "two\nlines",
        "\x85\u2028",
        "tabby, tabby cat",
        "x" * 300,
    )
    config = with_values(config, {"data.class_names": names, "model.num_classes": 10})
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml", complete=True) == config
    assert config.data.class_names == names
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("off", "off"), ("'off'", "off"), ("false", "off"), ("dynamic", "dynamic"), ("1024", "1024"), ("1.024e+3", "1024"),
     ("'1024.0'", "1024"), ("0.1", "0.1"), ("1e+30", "1e+30")],
)  # fmt: skip
def test_a_loss_scale_reads_the_same_in_a_file_and_on_a_command_line(tmp_path, text, value):
    """YAML 1.1 reads off, without quotes, as false, and a number as a number. It is saved as a text that reads back."""
    given = [
        load_config(written(tmp_path, f"train:\n  loss_scale: {text}\n")),
        load_config(None, [f"train.loss_scale={text}"]),
    ]
    for config in given:
        assert config.train.loss_scale == value
        save_config(config, tmp_path / "saved.yaml")
        assert load_config(tmp_path / "saved.yaml", complete=True) == config


@pytest.mark.parametrize("text", ["true", "[1]", "null", "on", "2024-01-01", ".inf"])
def test_what_is_no_loss_scale_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="train.loss_scale: expected "):
        load_config(written(tmp_path, f"train:\n  loss_scale: {text}\n"))


def test_with_values_checks_and_leaves_the_original():
    config = load_config()
    changed = with_values(config, {"data.class_names": ["a", "b"], "stages.step1.epochs": 1})
    assert (changed.data.class_names, changed.stages.step1.epochs) == (("a", "b"), 1)
    assert config == load_config()
    with pytest.raises(InputError, match="data.flip: expected a number from 0 to 1, got 2"):
        with_values(config, {"data.flip": 2})


def test_a_section_given_as_one_text_sets_its_path(tmp_path):
    """A file and the command line may give the checkpoint alone."""
    expected = load_config(None, ["checkpoint.path=a=b.ckpt"])
    assert (expected.checkpoint.path, expected.checkpoint.every_steps) == ("a=b.ckpt", 0)
    assert load_config(written(tmp_path, "checkpoint: a=b.ckpt\n")) == expected
    assert load_config(None, ["checkpoint=a=b.ckpt"]) == expected
    assert load_config(None, [], {"checkpoint": "a=b.ckpt"}) == expected
    assert load_config(None, ["checkpoint=x", "checkpoint.path=a=b.ckpt"]) == expected


def test_a_complete_file_must_give_every_key(tmp_path):
    path = tmp_path / "config.yaml"
    save_config(load_config(), path)
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^  branches: .*\n", "", text), encoding="utf-8")
    assert load_config(path) == load_config()
    with pytest.raises(InputError, match="config.yaml: missing key model.branches; given by --config_path"):
        load_config(path, complete=True)


def test_a_run_saved_before_its_younger_keys_is_read(tmp_path):
    """Without a line for any of them; its classes have the names that it saved."""
    path = tmp_path / "config.yaml"
    save_config(with_values(load_config(), {"data.class_names": ["a", "b"]}), path)
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in keys_with("younger"):
        *sections, name = key.split(".")
        section = tree
        for each in sections:
            section = section[each]
        del section[name]
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    expected = with_values(load_config(), {"data.class_names": ["a", "b"], "data.classes": ["a", "b"]})
    assert load_config(path, complete=True) == expected
    assert {"model.options", "train.loss_scale", "stages.step2.init_head"} <= set(keys_with("younger"))


# --- refusals ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("data:\n  bach_size: 3\n", "unknown key data.bach_size; did you mean data.batch_size?"),
        ("modle:\n  name: x\n", "unknown key modle; did you mean model?"),
        ("batch_size: 3\n", "unknown key batch_size; did you mean data.batch_size?"),
        ("true: 3\n", "unknown key True"),
        ("seed: yes\n", "seed: expected int, got true"),
        ("seed: 1.0\n", "seed: expected int, got 1.0 (float)"),
        ("seed: '1'\n", "seed: expected int, got '1' (text)"),
        ("seed:\n", "seed: expected int, got nothing"),
        ("resume: 1\n", "resume: expected true or false, got 1 (int)"),
        ("output_dir: 2024\n", "output_dir: expected text, got 2024 (int)"),
        ("train: {eps: true}\n", "train.eps: expected float, got true"),
        ("train: {eps: abc}\n", "train.eps: expected float, got 'abc' (text)"),
        ("train: {eps: .nan}\n", "train.eps: expected float, got nan (float)"),
        ("train: {eps: .inf}\n", "train.eps: expected float, got inf (float)"),
        (f"train: {{eps: 1{'0' * 400}}}\n", "train.eps: expected float, got 1000"),
        ("model: {branches: 2}\n", "model.branches: expected list of int, got 2 (int)"),
        ("model: {branches: [2, 1, 2, 1.0]}\n", "model.branches: expected list of int, got [2, 1, 2, 1.0]"),
        ("model: {branches: [2, true, 2, 1]}\n", "model.branches: expected list of int"),
        ("data: {class_names: [1]}\n", "data.class_names: expected list of text, got [1] (list)"),
        ("data: 3\n", "section data: expected a mapping (key: value), got 3 (int)"),
        ("seed: {a: 1}\n", "seed: expected int, got {'a': 1} (mapping)"),
        ("- a\n- b\n", "expected a mapping (key: value), got ['a', 'b'] (list)"),
        ("just words", "expected a mapping (key: value), got 'just words' (text)"),
        ("seed: 1\nseed: 2\n", "line 2, column 1: not valid YAML: key 'seed' is given twice"),
        ("data:\n  flip: 0\n  flip: 1\n", "line 3, column 3: not valid YAML: key 'flip' is given twice"),
        ("data: [1,\n", "not valid YAML: "),
        ("data:\n\tflip: 1\n", "line 2, column 1: not valid YAML: "),
        ("seed: !!python/object/apply:os.getcwd []\n", "not valid YAML: could not determine a constructor"),
        ("seed: !!int x\n", "not valid YAML: "),
        ("seed: !!bool x\n", "not valid YAML: "),
        ("seed: !!map x\n", "not valid YAML: expected a mapping node"),
        ("seed: 2024-13-45\n", "not valid YAML: "),
        ("? [a]\n: 1\n", "not valid YAML: "),
        ("[" * 1200, "not valid YAML: "),
        ("a: 1\n---\nb: 2\n", "not valid YAML: "),
        ("[" * 1200, "nested deeper than 20 levels"),
        ("a: &x [1]\nb: *x\n", "line 1, column 4: not valid YAML: anchors (&) and aliases (*) are not taken"),
        ("seed: *x\n", "line 1, column 7: not valid YAML: anchors"),
        (
            "data: {<<: {flip: 0}, flip: 1}\n",
            "line 1, column 8: not valid YAML: merge keys (<<) are not taken",
        ),
        (f"seed: {'9' * 10000}\n", "line 1, column 7: not valid YAML: a value of 10000 characters"),
        (f"seed: {'9' * 10000}\n", "not valid YAML: a value of 10000 characters that is no text"),
        (f"seed: {'9' * 900}\n", "seed: expected from 0 to 4294967295, got "),
        (f"train: {{eps: 1{':10' * 300}.5}}\n", "train.eps: expected float, got '1:10:10"),
        ("data: {batch_size: 4294967296}\n", "data.batch_size: expected at most 4294967295, got 4294967296"),
        ('output_dir: "a\\0b"\n', "output_dir: expected text without NUL characters, got 'a\\x00b' (text)"),
        (f"data: {{'{'x' * 1000}': 1}}\n", "unknown key data.xxx"),
        (f"seed: !!{'x' * 100000} 1\n", "not valid YAML: could not determine a constructor"),
        (b"seed: \0\n", "not valid YAML: unacceptable character #x0000"),
        ("seed: 1\n".encode("utf-16"), "not UTF-8 text"),
        (
            b"#" * (1 << 20) + b"\n",
            "expected a YAML file with settings of at most 1048576 bytes, got 1048577",
        ),
        (b"seed: \xff\n", "not UTF-8 text"),
    ],
)
def test_a_bad_file_gets_one_line_that_names_file_key_expected_and_came(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(InputError) as error:
        load_config(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert words in message
    assert "\n" not in message
    assert len(message) < len(str(path)) + 250


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="none.yaml: expected a YAML file with settings, got: No such file"):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="got: Is a directory"):
        load_config(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(
            InputError, match=f"^{path}: expected a YAML file with settings, got: .*not a reg"
        ):
            load_config(path)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", "expected section.key=value, got 'seed'"),
        ("sede=1", "unknown key sede; did you mean seed?"),
        ("data.bach_size=1", "unknown key data.bach_size; did you mean data.batch_size?"),
        ("modle.name=x", "unknown key modle.name; did you mean model.name?"),
        ("stages.epochs=1", "did you mean stages."),
        ("qqqq=1", "unknown key qqqq"),
        ("model=x", "model is a section: expected one of its keys (model.name, "),
        ("data.batch_size=", "data.batch_size: expected int, got nothing"),
        ("data.batch_size=[", "data.batch_size: expected int, got '[' (text)"),
        ("data.batch_size=1e3", "data.batch_size: expected int, got '1e3' (text)"),
    ],
)
def test_bad_overrides(override, words):
    with pytest.raises(InputError) as error:
        load_config(None, [override])
    assert str(error.value).startswith("command line: ")
    assert words in str(error.value)


def test_every_new_name_is_one_that_the_settings_know():
    for old, new in RENAMED.items():
        (old_key, _, old_value), (key, _, value) = old.partition("="), new.partition("=")
        assert key in TYPES and bool(old_value) == bool(value)
        if value:
            assert old_key == key and rule_of(key).holds(value) and not rule_of(key).holds(old_value)
        else:
            assert old_key not in TYPES


OLD_NAMES = [
    ("model.form", "fast", "unknown key model.form; did you mean model.backend?"),
    ("model.local_form", "patm", "unknown key model.local_form; did you mean model.token_mixing?"),
    ("model.binarizer", "sign", "unknown key model.binarizer; did you mean model.quantizer?"),
    *(
        (
            "model.activation_gradient",
            old,
            "model.activation_gradient: expected one of auto, ste, approx_sign, clip_grad, "
            f"got {old!r} (text); {old} is called {new} now",
        )
        for old, new in [("window", "ste"), ("polynomial", "approx_sign"), ("clip", "clip_grad")]
    ),
]


@pytest.mark.parametrize(("key", "value", "words"), OLD_NAMES)
def test_an_old_name_gets_one_line_with_the_new_one(tmp_path, capsys, key, value, words):
    """On the command line and in an overlay it is refused; in the config.yaml of a saved run it is read as the new one."""
    with pytest.raises(InputError) as error:
        load_config(None, [f"{key}={value}"])
    assert str(error.value) == f"command line: {words}"
    name = key.removeprefix("model.")
    overlay = written(tmp_path, f"model: {{{name}: {value}}}\n")
    with pytest.raises(InputError) as error:
        load_config(overlay)
    assert str(error.value) == f"{overlay}: {words}"
    saved = tmp_path / "config.yaml"
    save_config(load_config(), saved)
    tree = yaml.safe_load(saved.read_text(encoding="utf-8"))
    tree["model"].pop(RENAMED.get(key, key).removeprefix("model."))
    tree["model"][name] = value
    saved.write_text(yaml.safe_dump(tree), encoding="utf-8")
    new_key, _, new_value = RENAMED.get(key, RENAMED.get(f"{key}={value}", "")).partition("=")
    assert to_flat(load_config(saved, complete=True))[new_key] == (new_value or value)
    (line,) = capsys.readouterr().err.splitlines()
    assert str(saved) in line and f"is {RENAMED.get(key) or RENAMED[f'{key}={value}']} now" in line


@pytest.mark.parametrize(
    ("override", "new"),
    [("form=fast", "backend"), ("modle.binarizer=x", "quantizer"), ("data.local_form=x", "token_mixing")],
)
def test_an_old_name_in_a_wrong_section_is_told_the_new_one(override, new):
    with pytest.raises(InputError, match=rf"; did you mean model\.{new}\?$"):
        load_config(None, [override])


def test_a_default_file_without_a_key_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "default_config.yaml"
    path.write_text(
        DEFAULT_CONFIG.read_text(encoding="utf-8").replace("\nseed:", "\n# seed:"), encoding="utf-8"
    )
    monkeypatch.setattr("src.settings.config.DEFAULT_CONFIG", path)
    with pytest.raises(InputError, match="default_config.yaml: missing key seed$"):
        load_config()


# One value just inside and one just outside of every rule.
EDGES = [
    ("stage", "step2", "step3"),
    ("output_dir", "x", ""),
    ("device_target", "Ascend", "cpu"),
    ("seed", "0", "-1"),
    ("seed", "4294967295", "4294967296"),
    ("checkpoint.every_steps", "0", "-1"),
    ("model.name", "resnet34", ""),
    ("model.num_classes", "0", "-1"),
    ("model.options", "{width: 4, sizes: [1, 2]}", "{width: {a: 1}}"),
    ("model.options", "{}", "{1: 4}"),
    ("model.options", "{width: [1.5, x]}", "{width: [.nan]}"),
    ("model.options", "{width: 1}", "{wide width: 1}"),
    ("model.drop_path_rate", "0", "1"),
    ("model.branches", "[4, 0, 0, 2]", "[3, 1, 2, 1]"),
    ("model.branches", "[0, 2, 4, 0]", "[2, 1, 3, 1]"),
    ("model.branches", "[2, 1, 2, 1]", "[2, 1, 2]"),
    ("model.branches", "[2, 1, 2, 1]", "[2, -1, 2, 1]"),
    ("model.shortcut", "none", "dense"),
    ("model.norm", "layer", "group"),
    ("model.activation", "prelu", "silu"),
    ("model.downsample", "original", "pool"),
    ("model.token_mixing", "axial_shift", "mixer"),
    ("model.quantizer", "bnn_plus", "rotated"),
    ("model.activation_gradient", "clip_grad", "tanh"),
    ("model.backend", "plain", "slow"),
    ("model.compute_type", "bfloat16", "fp16"),
    ("data.source", "imagenet", "mnist"),
    ("data.image_size", "1", "0"),
    ("data.batch_size", "1", "0"),
    ("data.eval_batch_size", "1", "0"),
    ("data.workers", "1", "0"),
    ("data.memory", "0", "-0.1"),
    ("data.bad_images", "skip", "ignore"),
    ("data.labels", "position", "names"),
    ("data.mean", "[0, 0, 0]", "[0, 0]"),
    ("data.mean", "[1, 0, 1]", "[0.5, 0.5, 1.01]"),
    ("data.mean", "[0, 0, 1]", "[0.5, 0.5, -0.01]"),
    ("data.std", "[1, 1, 0.001]", "[1, 1, 0.0009]"),
    ("data.std", "[1, 1, 1]", "[1, 1, 1.01]"),
    ("data.std", "[1, 1, 1]", "[1, 1]"),
    ("data.crop_scale", "[0.08, 1]", "[0, 1]"),
    ("data.crop_scale", "[1, 1]", "[1, 0.08]"),
    ("data.crop_scale", "[0.5, 0.5]", "[0.5, 1.1]"),
    ("data.crop_scale", "[0.5, 0.5]", "[0.5]"),
    ("data.crop_padding", "0", "-1"),
    ("data.crop_padding", "1024", "1025"),
    ("data.flip", "1", "1.1"),
    ("data.rand_augment", "10", "11"),
    ("data.random_erasing", "0", "-0.1"),
    ("data.mixup", "0", "-0.1"),
    ("data.cutmix", "0", "-0.1"),
    ("train.base_batch_size", "1", "0"),
    ("train.betas", "[0, 0.999]", "[0.9, 1]"),
    ("train.betas", "[0, 0]", "[0.9]"),
    ("train.eps", "1e-12", "0"),
    ("train.weight_decay", "0", "-0.1"),
    ("train.min_learning_rate", "0", "-1e-9"),
    ("train.schedule", "steps", "exponential"),
    ("train.decay_epochs", "[40, 60, 70]", "[40, 40]"),
    ("train.decay_epochs", "[]", "[0, 5]"),
    ("train.clip_norm", "0", "-1"),
    ("train.label_smoothing", "0.99", "1"),
    ("train.ema_decay", "0.9999", "1"),
    ("train.accumulate_steps", "1", "0"),
    ("train.on_nonfinite", "skip", "ignore"),
    ("train.loss_scale", "dynamic", "static"),
    ("train.loss_scale", "1e-30", "0"),
    ("train.loss_scale", "1e30", "1.1e30"),
    ("train.loss_scale", "1024", "nan"),
    ("train.loss_scale_start", "1", "0.5"),
    ("train.loss_scale_window", "1", "0"),
    ("train.loss_scale_growth", "1", "0.5"),
    ("train.loss_scale_backoff", "0.99", "1"),
    ("train.steps_per_epoch", "0", "-1"),
    ("train.log_every", "0", "-1"),
    ("stages.teacher.precision", "fp32", "float32"),
    ("stages.step1.precision", "binary_act", "1bit"),
    ("stages.step2.epochs", "0", "-1"),
    ("stages.step2.learning_rate", "1e-9", "0"),
    ("stages.step1.warmup_epochs", "0", "-1"),
    ("stages.step2.init_head", "new", "old"),
    ("stages.teacher.kd_alpha", "1", "1.01"),
    ("stages.step2.feature_loss", "attention", "gram"),
    ("stages.step2.feature_weight", "0", "-0.1"),
]


@pytest.mark.parametrize(("key", "inside", "outside"), EDGES)
def test_every_rule_at_its_edges(key, inside, outside):
    load_config(None, [f"{key}={inside}"])
    with pytest.raises(InputError) as error:
        load_config(None, [f"{key}={outside}"])
    assert str(error.value).startswith(f"command line: {key}: expected {rule_of(key).allowed}, got ")


def test_means_of_pixels_from_0_to_255_are_told_to_be_divided():
    words = r"data\.mean: expected .*, of pixels in \[0, 1\] \(divide those of pixels 0\.\.255 by 255\), got"
    with pytest.raises(InputError, match=words):
        load_config(None, ["data.mean=[123.675, 116.28, 103.53]"])
    with pytest.raises(InputError, match=words.replace("mean", "std")):
        load_config(None, ["data.std=[58.395, 57.12, 57.375]"])


@pytest.mark.parametrize(
    ("value", "allowed"),
    [({"width": 2**32}, "at most 4294967295"), ({"name": ("a\0",)}, "text without NUL characters")],
)
def test_options_keep_the_limits_of_all_values(value, allowed):
    assert with_values(load_config(), {"model.options": {"width": 2**32 - 1}})
    with pytest.raises(InputError, match=f"model.options: expected {allowed}, got "):
        with_values(load_config(), {"model.options": value})


def test_every_rule_belongs_to_a_key_and_is_tried_at_its_edges():
    assert {re.sub(r"^stages\.\w+\.", "stages.*.", key) for key, _, _ in EDGES} == {
        re.sub(r"^stages\.\w+\.", "stages.*.", key) for key in keys_with("rule")
    }
    assert list(TRAITS) == list(TYPES)


# --- help ---


def test_help_covers_every_key_with_type_and_default():
    described = {item.key: item for item in describe_keys(DEFAULT_CONFIG) if item.type != "section"}
    assert list(described) == list(TYPES)
    assert described["data.batch_size"][1:] == (
        "int",
        "64",
        "images per device and training step",
        "1 or more",
    )
    assert described["model.branches"].default == "[2, 1, 2, 1]"
    text = help_text()
    assert all(f"  {key}=" in text for key in TYPES)
    for stage_free in (item for item in described.values() if not item.key.startswith("stages.")):
        assert stage_free.comment or stage_free.key == "data.std", stage_free.key


def test_comments_are_read_behind_values_sections_and_quoted_hashes(tmp_path):
    path = written(
        tmp_path,
        'output_dir: "a # b"   # real comment: with # inside\n'
        "checkpoint: x#y\n"
        "data:   # images\n"
        "  # and more\n"
        "  path: ''  # where\n"
        "  class_names: [\n    'a # b',\n  ]  # names\n"
        "stages:\n"
        "  teacher:\n    epochs: 1  # how long\n    kd_alpha: 0  # Eq. 13 (open)\n    init: a  # from\n"
        "  step1:\n    epochs: 2\n    kd_alpha: 1  # (open)\n    init: b  # (open)\n",
    )
    comments = {item.key: item.comment for item in describe_keys(path)}
    assert comments["output_dir"] == "real comment: with # inside"
    assert comments["checkpoint"] == ""
    assert comments["data"] == "images\nand more"
    assert comments["data.path"] == "where"
    assert comments["data.class_names"] == "names"
    assert comments["stages.step1.epochs"] == "how long"
    assert comments["stages.step1.kd_alpha"] == "Eq. 13 (open)"
    assert comments["stages.step1.init"] == "from (open)"
    defaults = {item.key: item.default for item in describe_keys(path)}
    assert (defaults["output_dir"], defaults["checkpoint"]) == ('"a # b"', "x#y")


def test_some_shortens_a_list():
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefghij"), 3) == "a, b, c and 7 more"


def test_importing_the_config_does_not_import_the_framework():
    code = "import sys, src.settings.config, src.settings.help; sys.exit('mindspore' in sys.modules or 'numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=DEFAULT_CONFIG.parent, check=True)


def test_config_attribute_names_are_the_keys():
    assert [key for key, _ in flat(load_config())] == list(TYPES)
    assert {field.name for field in dataclasses.fields(Config)} == set(
        yaml.safe_load(DEFAULT_CONFIG.read_text())
    )


def test_config_allows_what_the_networks_know():
    """The rules are written without the framework; the tables that they stand for are not."""
    from src.model.layers.activations import ACTIVATIONS
    from src.model.layers.norms import NORMS
    from src.model.layers.quantizers import CHOICES, QUANTIZERS
    from src.model.layers.shortcuts import SHORTCUTS
    from src.model.layers.token_mixing import TOKEN_MIXERS
    from src.model.networks.bimlp import DOWNSAMPLES

    known = {
        "shortcut": SHORTCUTS,
        "norm": {"auto", *NORMS},
        "activation": {"auto", *ACTIVATIONS},
        "downsample": DOWNSAMPLES,
        "token_mixing": TOKEN_MIXERS,
        "quantizer": {"auto", *QUANTIZERS},
        "activation_gradient": CHOICES,
    }
    for key, names in known.items():
        allowed = rule_of(f"model.{key}").allowed.removeprefix("one of ").split(", ")
        assert set(allowed) == set(names), key


def test_recipes_for_imagenet_are_the_papers_and_differ_in_the_network_alone():
    recipes = [
        to_flat(load_config(DEFAULT_CONFIG.parent / "config" / f"bimlp_{size}_imagenet.yaml"))
        for size in "sm"
    ]
    assert {key for key in recipes[0] if recipes[0][key] != recipes[1][key]} == {"model.name"}
    found = recipes[0]
    assert 8 * found["data.batch_size"] == found["train.base_batch_size"] == 1024
    assert (found["train.betas"][0], found["train.weight_decay"], found["data.image_size"]) == (
        0.9,
        0.05,
        224,
    )
    assert (found["stages.step2.init"], found["stages.step2.teacher"]) == ("step1", "resnet34")
    assert min(found["data.mixup"], found["data.cutmix"], found["data.rand_augment"]) > 0


ODD = ("010", "0x10", "0o17", "0b1", "1_000", "1:30", "1:30:00", "-010", "+0x1", "00", "09")


@pytest.mark.parametrize("text", ODD)
def test_numbers_in_another_base_are_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    hint = "(text); write it as a plain decimal number"
    for key, kind in (("seed", "int"), ("train.eps", "float")):
        section, _, name = key.rpartition(".")
        path.write_text(f"{section}:\n  {name}: {text}\n" if section else f"{name}: {text}\n")
        message = f"{key}: expected {kind}, got {text!r} {hint}"
        for arguments, source in (((path,), path), ((None, [f"{key}={text}"]), "command line")):
            with pytest.raises(InputError) as caught:
                load_config(*arguments)
            assert str(caught.value) == f"{source}: {message}"
    with pytest.raises(
        InputError, match="model.branches: expected list of int, got .*; write it as a plain decimal"
    ):
        load_config(overrides=[f"model.branches=[2, 1, 2, {text}]"])


def test_texts_of_such_numbers_are_texts_and_decimal_numbers_are_numbers(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "data: {class_names: [010, '0x10', 1:30]}\nseed: +7\ntrain: {eps: 1.5e-3, betas: [0.10, .5]}\n"
    )
    config = load_config(
        path, ["train.min_learning_rate=5e-4", "train.weight_decay=-0.0", "train.clip_norm=10"]
    )
    assert config.data.class_names == ("010", "0x10", "1:30")
    assert (config.seed, config.train.eps, config.train.betas) == (7, 0.0015, (0.1, 0.5))
    assert (config.train.min_learning_rate, config.train.clip_norm) == (5e-4, 10.0)
    save_config(config, tmp_path / "b.yaml")
    assert load_config(tmp_path / "b.yaml") == config


@pytest.mark.parametrize("tag", ["!!int 010", "!!int '0x10'", "!!int 1:30", "!!int 1_0"])
def test_a_tag_does_not_bring_another_base_back(tmp_path, tag):
    (tmp_path / "a.yaml").write_text(f"seed: {tag}\n")
    with pytest.raises(InputError, match="not valid YAML: .*: a whole number is written in plain decimals"):
        load_config(tmp_path / "a.yaml")


def test_the_home_folder_in_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    path = tmp_path / "a.yaml"
    path.write_text("data: {path: ~/photos}\nstages: {step2: {init: '~/b.ckpt'}}\nmodel: {name: ~/no}\n")
    config = load_config(
        path, ["stages.step1.teacher_checkpoint=~/t", "output_dir=~"], {"checkpoint.path": "~/c"}
    )
    assert (config.data.path, config.output_dir, config.checkpoint.path) == (
        "/home/me/photos",
        "/home/me",
        "/home/me/c",
    )
    assert (config.stages.step2.init, config.stages.step1.teacher_checkpoint) == (
        "/home/me/b.ckpt",
        "/home/me/t",
    )
    assert config.model.name == "~/no"  # no path
    assert load_config(None, ["data.path=./~/photos"]).data.path == "./~/photos"
