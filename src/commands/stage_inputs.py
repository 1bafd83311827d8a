"""Inputs of the stages of training: first weights and teachers, checked before the first stage begins."""

import os
from pathlib import Path

from src.checkpoint.loading import QUANTIZER_PARAMETERS
from src.commands.build import build_network, head_rows, load_checkpoint, require_norm_values
from src.common.errors import InputError

STAGES = ("teacher", "step1", "step2")


def chosen_stages(config):
    """The names of the stages to run, in order; a stage of 0 epochs is skipped."""
    names = STAGES if config.stage == "all" else (config.stage,)
    chosen = [name for name in names if getattr(config.stages, name).epochs]
    if not chosen:
        raise InputError(
            f"stage {config.stage}: expected at least one epoch to train, got stages with epochs: 0"
        )
    for name in chosen:
        settings = getattr(config.stages, name)
        if settings.warmup_epochs > settings.epochs:
            raise InputError(
                f"stages.{name}.warmup_epochs: expected at most the stage's {settings.epochs} epochs, "
                f"got {settings.warmup_epochs}"
            )
    return chosen


def stage_folder(config, name):
    return Path(config.output_dir) / name


def best_checkpoint(config, name):
    """The best checkpoint of a stage of this output_dir."""
    path = stage_folder(config, name) / "best.ckpt"
    if not os.path.isfile(path):
        raise InputError(
            f"stage {name}: expected its checkpoint {path}, found none; train it first or name another"
        )
    return path


def check_sources(name, settings, starts):
    """Refuse settings of a stage that others leave without effect. starts: the checkpoint given for its weights, or ""."""
    where = f"stages.{name}"
    taught = settings.teacher_checkpoint or settings.teacher_pretrained
    if taught and not settings.teacher:
        raise InputError(f"{where}.teacher: expected the teacher whose weights are given, got none")
    if settings.feature_loss != "none" and not settings.teacher:
        raise InputError(
            f"{where}.teacher: expected the teacher of feature_loss={settings.feature_loss}, got none"
        )
    if settings.teacher_pretrained and (settings.teacher_checkpoint or settings.teacher in STAGES):
        other = settings.teacher_checkpoint or f"those of the stage {settings.teacher}"
        raise InputError(
            f"{where}.teacher_pretrained: expected one source of the teacher's weights, got also {other}"
        )
    if settings.pretrained and (starts or settings.init):
        raise InputError(
            f"{where}.pretrained: expected one source of first weights, got also {starts or settings.init}"
        )


def check_stage_inputs(config, names):
    """Refuse at once what would fail hours later: a stage whose teacher or first weights nobody makes."""
    done = set()
    for name in names:
        settings = getattr(config.stages, name)
        starts = config.checkpoint.path if name == names[0] else ""
        check_sources(name, settings, starts)
        if settings.init_head == "new" and not (starts or settings.init):
            raise InputError(
                f"stages.{name}.init_head: expected same, for the stage starts from random weights (no stages.{name}.init "
                "and no checkpoint), got new"
            )
        for source in {
            settings.init if not starts else "",
            settings.teacher if not settings.teacher_checkpoint else "",
        }:
            if source in STAGES and source not in done:
                best_checkpoint(config, source)
        for path in (
            starts,
            settings.teacher_checkpoint,
            settings.init if settings.init not in STAGES else "",
        ):
            if path and not os.path.isfile(path):
                raise InputError(f"stage {name}: expected a checkpoint, no file at {path}")
        done.add(name)


def check_labels(config, names, classes):
    """Refuse at once a checkpoint with other classes than the data's, of which a later stage would learn."""
    for index, name in enumerate(names):
        settings = getattr(config.stages, name)
        starts = (not index and config.checkpoint.path) or settings.init
        teacher = settings.teacher_checkpoint or (settings.teacher if settings.teacher in STAGES else "")
        for source in ("" if settings.init_head == "new" else starts, teacher):
            path = stage_folder(config, source) / "best.ckpt" if source in STAGES else source
            if source not in ("", *names[:index]) and os.path.isfile(path):
                head_rows(path, classes, config.data.labels)


def check_norms(config, names, classes, workers):
    """Refuse networks that cannot be trained with such batches (see `require_norm_values`), before the first one trains."""
    settings = [getattr(config.stages, name) for name in names]
    for model, precision in dict.fromkeys(
        (each.model or config.model.name, each.precision) for each in settings
    ):
        require_norm_values(config, model, classes, precision, workers.size)


def build_teacher(config, settings, classes):
    """The frozen network that the stage learns from, or None."""
    if not settings.teacher:
        return None
    source = settings.teacher_checkpoint
    if settings.teacher in STAGES:
        stage = getattr(config.stages, settings.teacher)
        name, precision = stage.model or config.model.name, stage.precision
        source = source or best_checkpoint(config, settings.teacher)
    else:
        name, precision = settings.teacher, "fp32"
    if not source and not settings.teacher_pretrained:
        raise InputError(
            f"teacher {name}: expected weights; give teacher_checkpoint=FILE or teacher_pretrained=true"
        )
    published_or = None if source or not settings.teacher_pretrained else "teacher_checkpoint=FILE"
    teacher = build_network(config, name, len(classes), precision, published_or)
    if source:
        load_checkpoint(teacher, source, rows=head_rows(source, classes, config.data.labels))
    teacher.set_train(False)
    for parameter in teacher.get_parameters():
        parameter.requires_grad = False
    return teacher


def init_weights(config, name, network, first, classes):
    """Load the stage's first weights: those of --checkpoint for the first stage to run, else of its `init`."""
    settings = getattr(config.stages, name)
    source = config.checkpoint.path if first and config.checkpoint.path else settings.init
    if source:
        path = best_checkpoint(config, source) if source in STAGES else source
        new = settings.init_head == "new"
        rows = () if new else head_rows(path, classes, config.data.labels)
        key = f"stages.{name}.init_head"
        load_checkpoint(network, path, QUANTIZER_PARAMETERS, len(classes) if new else 0, key, rows)
