#!/usr/bin/env python
"""Train BiMLP in two steps by distillation: python train.py [--config_path FILE] [section.key=value ...]."""

import contextlib
import json
import os
import sys
from pathlib import Path

from src.cli import config_from, create_parser, parse, run
from src.errors import InputError
from src.output import warn

STAGES = ("teacher", "step1", "step2")
SETTINGS = "config.yaml"  # in a stage's folder
# settings that a resumed run may give anew: they do not change what its steps compute
MAY_DIFFER = (
    "resume", "output_dir", "checkpoint.path", "checkpoint.every_steps", "device_target", "data.path", "data.labels",
    "train.log_every", "train.summary", "train.on_nonfinite",
)  # fmt: skip
DESCRIPTION = (
    "Runs the stages of the config in order (teacher, step1, step2), each into output_dir/<stage>.\n"
    "example: python train.py --config_path config/cifar10.yaml --data_path cifar10 --output_dir output/cifar10"
)


def chosen_stages(config):
    """The names of the stages to run, in order; a stage of 0 epochs is left out."""
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


def weights_of(config, name):
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
    if settings.teacher_pretrained and (settings.teacher_checkpoint or settings.teacher in STAGES):
        other = settings.teacher_checkpoint or f"those of the stage {settings.teacher}"
        raise InputError(
            f"{where}.teacher_pretrained: expected one source of the teacher's weights, got also {other}"
        )
    if settings.pretrained and (starts or settings.init):
        raise InputError(
            f"{where}.pretrained: expected one source of first weights, got also {starts or settings.init}"
        )


def check_hand_overs(config, names):
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
                weights_of(config, source)
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
    from src.build import head_rows

    for place, name in enumerate(names):
        settings = getattr(config.stages, name)
        starts = (not place and config.checkpoint.path) or settings.init
        teacher = settings.teacher_checkpoint or (settings.teacher if settings.teacher in STAGES else "")
        for source in ("" if settings.init_head == "new" else starts, teacher):
            path = stage_folder(config, source) / "best.ckpt" if source in STAGES else source
            if source not in ("", *names[:place]) and os.path.isfile(path):
                head_rows(path, classes, config.data.labels)


def build_teacher(config, settings, classes):
    """The frozen network that the stage learns from, or None."""
    from src.build import build_network, head_rows, load_weights

    if not settings.teacher:
        return None
    source = settings.teacher_checkpoint
    if settings.teacher in STAGES:
        stage = getattr(config.stages, settings.teacher)
        name, precision = stage.model or config.model.name, stage.precision
        source = source or weights_of(config, settings.teacher)
    else:
        name, precision = settings.teacher, "fp32"
    if not source and not settings.teacher_pretrained:
        raise InputError(
            f"teacher {name}: expected weights; give teacher_checkpoint=FILE or teacher_pretrained=true"
        )
    published_or = None if source or not settings.teacher_pretrained else "teacher_checkpoint=FILE"
    teacher = build_network(config, name, len(classes), precision, published_or)
    if source:
        load_weights(teacher, source, head_rows(source, classes, config.data.labels))
    teacher.set_train(False)
    for parameter in teacher.get_parameters():
        parameter.requires_grad = False
    return teacher


def first_weights(config, name, network, first, classes):
    """Load what the stage starts from: --checkpoint for the first stage to run, else its `init`."""
    from src.build import hand_on_weights, head_rows

    settings = getattr(config.stages, name)
    source = config.checkpoint.path if first and config.checkpoint.path else settings.init
    if source:
        path = weights_of(config, source) if source in STAGES else source
        new = settings.init_head == "new"
        rows = () if new else head_rows(path, classes, config.data.labels)
        hand_on_weights(network, path, len(classes) if new else 0, f"stages.{name}.init_head", rows)


def stage_folder(config, name):
    return Path(config.output_dir) / name


def resolved_settings(config, name, classes):
    """The settings that a stage's folder keeps: those of this stage, with what the data say and absolute paths."""
    from src.config import with_absolute_paths, with_values

    found = {
        "stage": name,
        "model.num_classes": len(classes),
        "data.classes": classes,
        "data.class_names": config.data.class_names or classes,
    }
    return with_absolute_paths(with_values(config, found))


def same_setting(key, before, now):
    """Whether two values of a setting mean the same: a file or folder may be named in several ways, or have moved, by
    which the earlier path leads nowhere and the later one ends in the same name."""
    from src.config import names_a_path

    if before == now or not (names_a_path(key, before) and names_a_path(key, now)):
        return before == now
    moved = not os.path.lexists(before) and os.path.basename(before) == os.path.basename(now)
    return moved or os.path.realpath(before) == os.path.realpath(now)


def with_classes_of_run(config, names):
    """The settings with the classes of the run that is to go on, so that labels are numbers of those."""
    from src.config import load_config, with_values
    from src.learn.state import holds_run

    folders = [stage_folder(config, name) for name in names]
    begun = next((folder for folder in folders if config.resume and holds_run(folder)), None)
    if begun is None or config.data.classes:
        return config
    return with_values(config, {"data.classes": load_config(begun / SETTINGS, complete=True).data.classes})


def check_folder(folder, resolved):
    """Look into a stage's folder: when it holds a run, that goes on, and its settings must be the same.

    Raises InputError naming the settings that differ, or a folder that holds a run without resume=true.
    """
    from src.config import load_config, to_flat
    from src.learn.records import read_records
    from src.learn.run_data import from_weights
    from src.learn.state import holds_run

    if not holds_run(folder):
        return
    if not resolved.resume:
        raise InputError(f"{folder}: holds a run; give resume=true to go on with it, or another --output_dir")
    before, now = to_flat(load_config(folder / SETTINGS, complete=True)), to_flat(resolved)
    differing = [key for key in now if key not in MAY_DIFFER and not same_setting(key, before[key], now[key])]
    if differing:
        first = differing[0]
        raise InputError(
            f"{folder}: resume expects the settings of the run: {', '.join(differing)} differ "
            f"({first} was {before[first]}, got {now[first]}); to train longer or otherwise start from its weights: "
            f"{from_weights(folder, resolved.stage)}"
        )
    read_records(folder)  # which the first epoch goes on with


def begin_folder(folder, resolved):
    """Make a stage's folder ready: with its settings, without what a killed process left half-written."""
    from src.config import save_config
    from src.files import remove_parts
    from src.learn.state import holds_run

    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    if not holds_run(folder):
        save_config(resolved, folder / SETTINGS)


@contextlib.contextmanager
def output_folder(config, names, classes, workers):
    """Context manager: output_dir is this job's alone, without what a killed one left and without an earlier one's lists.

    Raises InputError, before anything is changed, where a stage of `names` cannot begin or go on (see `check_folder`).
    """
    from src.data.left_out import remove_lists
    from src.files import holding, remove_parts

    if not workers.first:
        yield
        return
    with holding(config.output_dir):
        for name in names:
            check_folder(stage_folder(config, name), resolved_settings(config, name, classes))
        remove_parts(config.output_dir)
        remove_lists(config.output_dir)
        yield


def run_one(config, name, first, data, workers):
    """Train one stage and return its summary."""
    import mindspore as ms

    from src.build import build_network
    from src.config import to_flat
    from src.data.left_out import listed
    from src.learn.graph_cache import graph_identity
    from src.learn.loop import Stage, run_stage
    from src.learn.progress import say
    from src.model import binary_layers

    settings = getattr(config.stages, name)
    classes = data["train"].classes
    ms.set_seed(config.seed)
    model = settings.model or config.model.name
    published_or = f"stages.{name}.init=FILE stages.{name}.pretrained=false" if settings.pretrained else None
    network = build_network(config, model, len(classes), settings.precision, published_or)
    first_weights(config, name, network, first, classes)
    teacher = build_teacher(config, settings, classes)
    folder = stage_folder(config, name)
    if workers.first:
        begin_folder(folder, resolved_settings(config, name, classes))
        taught = f" taught by {settings.teacher}" if teacher is not None else ""
        steps = data["train"].batches
        say(
            f"{name}: {model} in {settings.precision}{taught}, {settings.epochs} epochs of {steps} steps -> {folder}"
        )
    stage = Stage(
        name=name,
        network=network,
        teacher=teacher,
        binary_weights=[layer.weight for _, layer in binary_layers(network)],
        train_data=data["train"],
        val_data=data["val"],
        settings=settings,
        train=config.train,
        batch_size=config.data.batch_size,
        eval_batch_size=config.data.eval_batch_size,
        seed=config.seed,
        folder=folder,
        workers=workers,
        every_steps=config.checkpoint.every_steps,
        identity=graph_identity(to_flat(config), workers, [network, teacher], trains=name),
    )
    with listed(config.output_dir, data, workers.rank):
        return run_stage(stage, config.resume)


def summary_path(config):
    return Path(config.output_dir) / "summary.json"


def write_summary(config, summary):
    """Put one stage's summary into output_dir/summary.json, in the order of the stages."""
    from src.files import read_summary, write_atomic

    path = summary_path(config)
    known = read_summary(path)
    known[summary["name"]] = summary
    stages = [known[name] for name in STAGES if name in known]
    write_atomic(path, json.dumps({"stages": stages}, indent=2, allow_nan=False) + "\n")


def open_data(config, workers):
    """Both splits, checked against each other and the config."""
    from src.data import create_dataset
    from src.learn.progress import say

    data = {split: create_dataset(config, split, workers.rank, workers.size) for split in ("train", "val")}
    found = len(data["train"].classes)
    if len(config.data.class_names) not in (0, found):
        raise InputError(
            f"data.class_names: expected {found} names, one per class of the data, got {len(config.data.class_names)}"
        )
    if config.model.num_classes not in (0, found):
        raise InputError(
            f"model.num_classes: expected {found}, the classes in the data, got {config.model.num_classes}"
        )
    if workers.first:
        sizes = ", ".join(f"{data[split].size} {split}" for split in data)
        say(f"data: {config.data.source}, {found} classes, images: {sizes}")
        for name, split in data.items():
            if split.storage:
                say(f"{name}: pictures {split.storage}")
    say_skipped(config, data, workers)
    return data


def check_norms(config, names, classes, workers):
    """Refuse networks that cannot be trained with such batches (see `require_norm_values`), before the first one trains."""
    from src.build import require_norm_values

    settings = [getattr(config.stages, name) for name in names]
    for model, precision in dict.fromkeys(
        (each.model or config.model.name, each.precision) for each in settings
    ):
        require_norm_values(config, model, classes, precision, workers.size)


def say_skipped(config, data, workers, elsewhere=0):
    """How many files were left out, and the first few. elsewhere: those that only other workers know of."""
    from src.data.left_out import lines, list_path
    from src.learn.progress import say

    entries = [entry for split in data.values() for entry in split.skipped]
    if not workers.first or not len(entries) + elsewhere:
        return
    where = f"the list: {list_path(config.output_dir, 0)}"
    others = f", {elsewhere} more that other workers found: {list_path(config.output_dir, '*')}"
    say(f"skipped: {len(entries)} files that cannot be read, {where}{others if elsewhere else ''}")
    for line in lines(entries):
        say(f"skipped: {line}")


def main(argv):
    """Returns the exit code: 0, or 128 + n after signal n."""
    config = config_from(parse(create_parser("train.py", DESCRIPTION), argv))
    names = chosen_stages(config)
    check_hand_overs(config, names)
    from src.files import check_writable_dir, read_summary

    read_summary(summary_path(config))  # to which each stage adds
    if config.train.summary:
        from src.learn.summary import summary_library

        summary_library()
    check_writable_dir(config.output_dir)
    from src.build import check_batch, start_device

    check_batch(config, config.data.batch_size)
    start_device(config)
    from src.learn.parallel import start_workers
    from src.learn.progress import say
    from src.learn.stopping import Stopped

    workers = start_workers()
    config = with_classes_of_run(config, names)
    data = open_data(config, workers)
    check_labels(config, names, data["train"].classes)
    check_norms(config, names, len(data["train"].classes), workers)
    try:
        with output_folder(config, names, data["train"].classes, workers):
            for name in names:
                summary = run_one(config, name, name == names[0], data, workers)
                if workers.first:
                    write_summary(config, summary)
                    say(
                        f"{name}: top1 {summary['top1']:.4f} after {summary['epochs']} epochs, "
                        f"{summary['seconds']:.0f} s"
                    )
    except Stopped as stopped:
        say_skipped(config, data, workers)
        warn(f"stopped by {stopped}; resume=true goes on")
        return stopped.code
    late = sum(len(split.found_late) for split in data.values())
    say_skipped(config, data, workers, round(workers.sum([late])[0]) - late)
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
