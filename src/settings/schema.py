"""What the settings are: frozen dataclasses with types, and the rules that values keep. No values here.

A key is written with its sections, as in `data.batch_size`.
"""

import dataclasses
import math
import re
import typing
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """Where weights come from and how often they are kept (section `checkpoint`)."""

    path: str
    every_steps: int


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network (section `model`)."""

    name: str
    num_classes: int
    drop_path_rate: float
    branches: tuple[int, ...]
    shortcut: str
    norm: str
    activation: str
    downsample: str
    token_mixing: str
    quantizer: str
    activation_gradient: str
    backend: str
    compute_type: str
    sync_bn: bool


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Images, batches and augmentation (section `data`)."""

    source: str
    path: str
    image_size: int
    batch_size: int
    eval_batch_size: int
    workers: int
    memory: float
    bad_images: str
    classes: tuple[str, ...]
    labels: str
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_scale: tuple[float, ...]
    crop_padding: int
    flip: float
    rand_augment: int
    random_erasing: float
    mixup: float
    cutmix: float


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What all stages share (section `train`)."""

    base_batch_size: int
    betas: tuple[float, ...]
    eps: float
    weight_decay: float
    decay_all: bool
    min_learning_rate: float
    clip_norm: float
    label_smoothing: float
    ema_decay: float
    accumulate_steps: int
    on_nonfinite: str
    loss_scale: str
    loss_scale_start: float
    loss_scale_window: int
    loss_scale_growth: float
    loss_scale_backoff: float
    steps_per_epoch: int
    log_every: int
    summary: bool


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage of training (sections `stages.teacher`, `stages.step1`, `stages.step2`)."""

    model: str
    pretrained: bool
    precision: str
    epochs: int
    learning_rate: float
    warmup_epochs: int
    init: str
    init_head: str
    teacher: str
    teacher_checkpoint: str
    teacher_pretrained: bool
    kd_alpha: float


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages, in the order in which they run."""

    teacher: StageConfig
    step1: StageConfig
    step2: StageConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of one run; attribute names are the YAML's keys."""

    stage: str
    output_dir: str
    resume: bool
    device_target: str
    seed: int
    checkpoint: CheckpointConfig
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    stages: Stages


def _keys(cls, prefix=""):
    """Two dicts, in order of declaration: full key -> type for the values, section -> dataclass."""
    types, sections = {}, {}
    for name, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind):
            sections[prefix + name] = kind
            inner_types, inner_sections = _keys(kind, f"{prefix}{name}.")
            types.update(inner_types)
            sections.update(inner_sections)
        else:
            types[prefix + name] = kind
    return types, sections


TYPES, SECTIONS = _keys(Config)


class Rule(typing.NamedTuple):
    """A value is allowed where `holds(value)`; `allowed` says so in words."""

    allowed: str
    holds: Callable


def _one_of(*names):
    return Rule("one of " + ", ".join(names), lambda value: value in names)


def _at_least(low):
    return Rule(f"{low} or more", lambda value: value >= low)


def loss_scale_text(value):
    """A loss scale as text: off, also as YAML 1.1 reads it without quotes (false); a number in its shortest form; else as
    it came."""
    if value is False or value == "false":
        return "off"
    if type(value) not in (int, float, str):
        return value
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    whole = math.isfinite(number) and number.is_integer() and abs(number) < 1e15
    return str(int(number)) if whole else str(number)


def _is_loss_scale(text):
    if text in ("off", "dynamic"):
        return True
    try:
        return 1e-30 <= float(text) <= 1e30  # float32 holds the number and its inverse
    except ValueError:
        return False


# what reads values that may be written in several ways
READERS = {"train.loss_scale": loss_scale_text}

POSITIVE = Rule("more than 0", lambda value: value > 0)
SHARE = Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)
BELOW_ONE = Rule("a number from 0 to below 1", lambda value: 0 <= value < 1)
NOT_EMPTY = Rule("a text that is not empty", lambda value: value != "")

# What a value of the right type must also be. Stages are written once, as stages.*
RULES = {
    "stage": _one_of("all", "teacher", "step1", "step2"),
    "output_dir": NOT_EMPTY,
    "device_target": _one_of("CPU", "GPU", "Ascend"),
    "seed": Rule("from 0 to 4294967295", lambda value: 0 <= value < 2**32),  # numpy's range
    "checkpoint.every_steps": _at_least(0),
    "model.name": NOT_EMPTY,
    "model.num_classes": _at_least(0),
    "model.drop_path_rate": BELOW_ONE,
    "model.branches": Rule(
        "four counts of 0 or more, the first and the third even (S1, C1, S2, C2)",
        lambda value: len(value) == 4 and min(value) >= 0 and value[0] % 2 == value[2] % 2 == 0,
    ),
    "model.shortcut": _one_of("uni", "same_shape", "none"),
    "model.norm": _one_of("auto", "batch", "layer"),
    "model.activation": _one_of("auto", "rprelu", "prelu", "relu", "gelu"),
    "model.downsample": _one_of("proposed", "original"),
    "model.token_mixing": _one_of("patm", "patm_interleaved", "cycle_fc", "axial_shift"),
    "model.quantizer": _one_of("bimlp", "sign", "xnor", "dorefa", "reactnet", "dsq", "bnn_plus"),
    "model.activation_gradient": _one_of("auto", "ste", "approx_sign", "clip_grad"),
    "model.backend": _one_of("auto", "plain", "fast", "fused"),
    "model.compute_type": _one_of("float32", "float16", "bfloat16"),
    "data.source": _one_of("digits", "cifar10", "imagenet"),
    "data.image_size": Rule("from 1 to 65535", lambda value: 1 <= value <= 65535),
    "data.batch_size": _at_least(1),
    "data.eval_batch_size": _at_least(1),
    "data.workers": _at_least(1),
    "data.memory": _at_least(0),
    "data.bad_images": _one_of("error", "skip"),
    "data.labels": _one_of("name", "position"),
    "data.mean": Rule(
        "three numbers from 0 to 1, of pixels in [0, 1] (divide those of pixels 0..255 by 255)",
        lambda value: len(value) == 3 and min(value) >= 0 and max(value) <= 1,
    ),
    "data.std": Rule(
        "three numbers from 0.001 to 1, of pixels in [0, 1] (divide those of pixels 0..255 by 255)",
        lambda value: len(value) == 3 and min(value) >= 0.001 and max(value) <= 1,
    ),
    "data.crop_scale": Rule(
        "two numbers, the smaller first, more than 0 and at most 1",
        lambda value: len(value) == 2 and 0 < value[0] <= value[1] <= 1,
    ),
    "data.crop_padding": Rule("from 0 to 1024", lambda value: 0 <= value <= 1024),
    "data.flip": SHARE,
    "data.rand_augment": Rule("from 0 to 10", lambda value: 0 <= value <= 10),
    "data.random_erasing": SHARE,
    "data.mixup": _at_least(0),
    "data.cutmix": _at_least(0),
    "train.base_batch_size": _at_least(1),
    "train.betas": Rule(
        "two numbers from 0 to below 1",
        lambda value: len(value) == 2 and all(0 <= beta < 1 for beta in value),
    ),
    "train.eps": POSITIVE,
    "train.weight_decay": _at_least(0),
    "train.min_learning_rate": _at_least(0),
    "train.clip_norm": _at_least(0),
    "train.label_smoothing": BELOW_ONE,
    "train.ema_decay": BELOW_ONE,
    "train.accumulate_steps": _at_least(1),
    "train.on_nonfinite": _one_of("stop", "skip"),
    "train.loss_scale": Rule("off, dynamic or a number from 1e-30 to 1e+30", _is_loss_scale),
    "train.loss_scale_start": Rule("from 1 to 1e+30", lambda value: 1 <= value <= 1e30),
    "train.loss_scale_window": _at_least(1),
    "train.loss_scale_growth": _at_least(1),
    "train.loss_scale_backoff": Rule("more than 0 and less than 1", lambda value: 0 < value < 1),
    "train.steps_per_epoch": _at_least(0),
    "train.log_every": _at_least(0),
    "stages.*.precision": _one_of("fp32", "binary_act", "binary"),
    "stages.*.epochs": _at_least(0),
    "stages.*.learning_rate": POSITIVE,
    "stages.*.warmup_epochs": _at_least(0),
    "stages.*.init_head": _one_of("same", "new"),
    "stages.*.kd_alpha": SHARE,
}


# Names that settings had before: old key -> new key, old key=value -> new key=value. In the file of a saved run they are
# read as the new ones; elsewhere they are refused, with the new name.
RENAMED = {
    "model.form": "model.backend",
    "model.local_form": "model.token_mixing",
    "model.binarizer": "model.quantizer",
    "model.activation_gradient=window": "model.activation_gradient=ste",
    "model.activation_gradient=polynomial": "model.activation_gradient=approx_sign",
    "model.activation_gradient=clip": "model.activation_gradient=clip_grad",
}


def rule_of(key):
    """The Rule of a key, or None."""
    return RULES.get(re.sub(r"^stages\.\w+\.", "stages.*.", key))
