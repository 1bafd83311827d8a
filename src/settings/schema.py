"""The schema of the settings: frozen dataclasses whose fields tell types, rules and traits. No values here.

A key is written with its sections, as in `data.batch_size`.
"""

import dataclasses
import typing

from src.common.frozen_dict import FrozenDict
from src.settings.rules import (
    BELOW_ONE,
    NOT_EMPTY,
    POSITIVE,
    SHARE,
    Rule,
    at_least,
    is_flat_mapping,
    is_loss_scale,
    is_rising,
    loss_scale_text,
    one_of,
)  # fmt: skip


class Traits(typing.NamedTuple):
    """Rule and traits of a setting, besides its type.

    rule: the Rule that its values keep, or None.
    read: what reads values that may be written in several ways, or None.
    path: whether it names a file or folder.
    resume: whether a resumed run may give it anew, for it does not change what its steps compute.
    graph: whether a compiled graph depends on it.
    switch: whether it is an ablation of the paper's, which a network without it must not take in silence.
    younger: whether it is younger than the first saved runs, whose files lack it and so get the default.
    per_run: whether it belongs to one run, as its place or a value that train.py fills in: equal runs may differ in it.
    """

    rule: Rule | None = None
    read: typing.Callable | None = None
    path: bool = False
    resume: bool = False
    graph: bool = True
    switch: bool = False
    younger: bool = False
    per_run: bool = False


def setting(rule=None, **traits):
    """A dataclass field with Traits."""
    return dataclasses.field(metadata={"traits": Traits(rule, **traits)})


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    """First weights, and the interval of run states (section `checkpoint`)."""

    path: str = setting(path=True, resume=True, graph=False)
    every_steps: int = setting(at_least(0), resume=True, graph=False, younger=True)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network (section `model`)."""

    name: str = setting(NOT_EMPTY)
    num_classes: int = setting(at_least(0), per_run=True)
    options: FrozenDict = setting(
        Rule("a mapping of names to numbers, texts or lists of these", is_flat_mapping),
        younger=True,
    )
    drop_path_rate: float = setting(BELOW_ONE)
    branches: tuple[int, ...] = setting(
        Rule(
            "four counts of 0 or more, the first and the third even (S1, C1, S2, C2)",
            lambda value: len(value) == 4 and min(value) >= 0 and value[0] % 2 == value[2] % 2 == 0,
        ),
        switch=True,
    )
    shortcut: str = setting(one_of("uni", "same_shape", "none"), switch=True, younger=True)
    norm: str = setting(one_of("auto", "batch", "layer"), switch=True, younger=True)
    activation: str = setting(
        one_of("auto", "rprelu", "prelu", "relu", "gelu", "hardtanh", "two_slope", "none"),
        switch=True,
        younger=True,
    )
    downsample: str = setting(one_of("proposed", "original", "binary"), switch=True, younger=True)
    token_mixing: str = setting(
        one_of("patm", "patm_interleaved", "cycle_fc", "axial_shift"), switch=True, younger=True
    )
    quantizer: str = setting(
        one_of(
            "auto",
            "bimlp",
            "sign",
            "xnor",
            "dorefa",
            "reactnet",
            "dsq",
            "bnn_plus",
            "bireal",
            "abc",
            "uad",
            "rbnn",
            "rbnn_reference",
            "recu",
            "fda",
            "irnet",
            "lcr",
            "bihalf",
            "adabin",
            "meliusnet",
            "quicknet",
        ),
        switch=True,
        younger=True,
    )
    activation_gradient: str = setting(one_of("auto", "ste", "approx_sign", "clip_grad"))
    backend: str = setting(one_of("auto", "plain", "fast", "fused"))
    compute_type: str = setting(one_of("float32", "float16", "bfloat16"))
    sync_bn: bool = setting(younger=True)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Images, batches and augmentation (section `data`)."""

    source: str = setting(one_of("digits", "cifar10", "imagenet"), graph=False)
    path: str = setting(path=True, resume=True, graph=False, per_run=True)
    image_size: int = setting(Rule("from 1 to 65535", lambda value: 1 <= value <= 65535))
    batch_size: int = setting(at_least(1), graph=False)
    eval_batch_size: int = setting(at_least(1), graph=False)
    workers: int = setting(at_least(1), graph=False)
    memory: float = setting(at_least(0), graph=False, younger=True)
    bad_images: str = setting(one_of("error", "skip"), graph=False)
    classes: tuple[str, ...] = setting(graph=False, per_run=True, younger=True)
    labels: str = setting(one_of("name", "position"), resume=True, graph=False, younger=True)
    class_names: tuple[str, ...] = setting(graph=False, per_run=True)
    mean: tuple[float, ...] = setting(
        Rule(
            "three numbers from 0 to 1, of pixels in [0, 1] (divide those of pixels 0..255 by 255)",
            lambda value: len(value) == 3 and min(value) >= 0 and max(value) <= 1,
        ),
        graph=False,
    )
    std: tuple[float, ...] = setting(
        Rule(
            "three numbers from 0.001 to 1, of pixels in [0, 1] (divide those of pixels 0..255 by 255)",
            lambda value: len(value) == 3 and min(value) >= 0.001 and max(value) <= 1,
        ),
        graph=False,
    )
    crop_scale: tuple[float, ...] = setting(
        Rule(
            "two numbers, the smaller first, more than 0 and at most 1",
            lambda value: len(value) == 2 and 0 < value[0] <= value[1] <= 1,
        ),
        graph=False,
    )
    crop_padding: int = setting(Rule("from 0 to 1024", lambda value: 0 <= value <= 1024), graph=False)
    flip: float = setting(SHARE, graph=False)
    rand_augment: int = setting(Rule("from 0 to 10", lambda value: 0 <= value <= 10), graph=False)
    random_erasing: float = setting(SHARE, graph=False)
    mixup: float = setting(at_least(0), graph=False)
    cutmix: float = setting(at_least(0), graph=False)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Settings that all stages share (section `train`)."""

    base_batch_size: int = setting(at_least(1))
    betas: tuple[float, ...] = setting(
        Rule(
            "two numbers from 0 to below 1",
            lambda value: len(value) == 2 and all(0 <= beta < 1 for beta in value),
        )
    )
    eps: float = setting(POSITIVE)
    weight_decay: float = setting(at_least(0))
    decay_all: bool = setting()
    min_learning_rate: float = setting(at_least(0))
    schedule: str = setting(one_of("cosine", "linear", "steps"), graph=False, younger=True)
    decay_epochs: tuple[int, ...] = setting(
        Rule("numbers of epochs, each more than the one before", lambda value: is_rising((0, *value))),
        graph=False,
        younger=True,
    )
    clip_norm: float = setting(at_least(0))
    label_smoothing: float = setting(BELOW_ONE)
    ema_decay: float = setting(BELOW_ONE)
    accumulate_steps: int = setting(at_least(1), younger=True)
    on_nonfinite: str = setting(one_of("stop", "skip"), resume=True, graph=False, younger=True)
    loss_scale: str = setting(
        Rule("off, dynamic or a number from 1e-30 to 1e+30", is_loss_scale),
        read=loss_scale_text,
        younger=True,
    )
    loss_scale_start: float = setting(
        Rule("from 1 to 1e+30", lambda value: 1 <= value <= 1e30), graph=False, younger=True
    )
    loss_scale_window: int = setting(at_least(1), graph=False, younger=True)
    loss_scale_growth: float = setting(at_least(1), graph=False, younger=True)
    loss_scale_backoff: float = setting(
        Rule("more than 0 and less than 1", lambda value: 0 < value < 1), graph=False, younger=True
    )
    steps_per_epoch: int = setting(at_least(0), graph=False)
    log_every: int = setting(at_least(0), resume=True, graph=False)
    summary: bool = setting(resume=True, graph=False, younger=True)


@dataclasses.dataclass(frozen=True)
class StageConfig:
    """One stage of training (sections `stages.teacher`, `stages.step1`, `stages.step2`)."""

    model: str = setting()
    pretrained: bool = setting()
    precision: str = setting(one_of("fp32", "binary_act", "binary"))
    epochs: int = setting(at_least(0), graph=False)
    learning_rate: float = setting(POSITIVE, graph=False)
    warmup_epochs: int = setting(at_least(0), graph=False)
    init: str = setting(path=True, graph=False)
    init_head: str = setting(one_of("same", "new"), graph=False, younger=True)
    teacher: str = setting()
    teacher_checkpoint: str = setting(path=True, graph=False)
    teacher_pretrained: bool = setting(graph=False)
    kd_alpha: float = setting(SHARE)
    feature_loss: str = setting(one_of("none", "lcr", "attention"), younger=True)
    feature_weight: float = setting(at_least(0), younger=True)


@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages, in the order in which they run."""

    teacher: StageConfig
    step1: StageConfig
    step2: StageConfig


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of one run; attribute names are the YAML's keys."""

    stage: str = setting(one_of("all", "teacher", "step1", "step2"), graph=False, per_run=True)
    output_dir: str = setting(NOT_EMPTY, path=True, resume=True, graph=False, per_run=True)
    resume: bool = setting(resume=True, graph=False, per_run=True)
    device_target: str = setting(one_of("CPU", "GPU", "Ascend"), resume=True)
    seed: int = setting(Rule("from 0 to 4294967295", lambda value: 0 <= value < 2**32), graph=False)
    checkpoint: CheckpointConfig
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    stages: Stages


def _keys(cls, prefix=""):
    """Three dicts, in order of declaration: full key -> type for the values, full key -> Traits, section -> dataclass."""
    types, traits, sections = {}, {}, {}
    kinds = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        key, kind = prefix + field.name, kinds[field.name]
        if dataclasses.is_dataclass(kind):
            sections[key] = kind
            for found, inner in zip((types, traits, sections), _keys(kind, f"{key}.")):
                found.update(inner)
        else:
            types[key], traits[key] = kind, field.metadata["traits"]
    return types, traits, sections


TYPES, TRAITS, SECTIONS = _keys(Config)


def keys_with(trait):
    """The keys of which a trait, by its name in Traits, holds."""
    return tuple(key for key, traits in TRAITS.items() if getattr(traits, trait))


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

# Values that were defaults when a saved run may have been made, of switches: key -> value. A network without the switch
# takes them in silence.
FORMER_DEFAULTS = {"model.quantizer": "bimlp"}


def rule_of(key):
    """The Rule of a key, or None."""
    return TRAITS[key].rule if key in TRAITS else None
