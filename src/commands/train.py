"""Training: the stages of the settings in order, each into a folder of its own."""

import mindspore as ms

from src.commands.build import build_network, check_batch, start_device
from src.commands.run_folder import (
    begin_folder,
    output_folder,
    resolved_settings,
    summary_path,
    with_classes_of_run,
    write_summary,
)
from src.commands.stage_inputs import (
    build_teacher,
    check_labels,
    check_norms,
    check_stage_inputs,
    chosen_stages,
    init_weights,
    stage_folder,
)
from src.common.errors import InputError
from src.common.files import read_summary
from src.common.output import warn
from src.data import create_dataset
from src.data.skipped import lines, list_path, listed
from src.learn.graph_cache import graph_identity
from src.learn.loop import Stage, run_stage
from src.learn.parallel import start_workers
from src.learn.progress import log
from src.learn.stopping import Stopped
from src.learn.tensorboard import tensorboard_library
from src.model import binary_layers
from src.settings.config import to_flat


def run_one(config, name, first, data, workers):
    """Train one stage and return its summary."""
    settings = getattr(config.stages, name)
    classes = data["train"].classes
    ms.set_seed(config.seed)
    model = settings.model or config.model.name
    published_or = f"stages.{name}.init=FILE stages.{name}.pretrained=false" if settings.pretrained else None
    network = build_network(config, model, len(classes), settings.precision, published_or)
    init_weights(config, name, network, first, classes)
    teacher = build_teacher(config, settings, classes)
    folder = stage_folder(config, name)
    if workers.first:
        begin_folder(folder, resolved_settings(config, name, classes))
        taught = f" taught by {settings.teacher}" if teacher is not None else ""
        steps = data["train"].batches
        log(
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


def open_data(config, workers):
    """Both splits, checked against each other and the config."""
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
        log(f"data: {config.data.source}, {found} classes, images: {sizes}")
        for name, split in data.items():
            if split.storage:
                log(f"{name}: pictures {split.storage}")
    log_skipped(config, data, workers)
    return data


def log_skipped(config, data, workers, elsewhere=0):
    """Log the number of skipped files and the first few. elsewhere: those that only other workers know of."""
    entries = [entry for split in data.values() for entry in split.skipped]
    if not workers.first or not len(entries) + elsewhere:
        return
    where = f"the list: {list_path(config.output_dir, 0)}"
    others = f", {elsewhere} more that other workers found: {list_path(config.output_dir, '*')}"
    log(f"skipped: {len(entries)} files that cannot be read, {where}{others if elsewhere else ''}")
    for line in lines(entries):
        log(f"skipped: {line}")


def train(config):
    """The exit code of a run of all chosen stages: 0, or 128 + n after signal n."""
    names = chosen_stages(config)
    check_stage_inputs(config, names)

    read_summary(summary_path(config))  # to which each stage adds
    if config.train.summary:
        tensorboard_library()

    check_batch(config, config.data.batch_size)
    start_device(config)

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
                    log(
                        f"{name}: top1 {summary['top1']:.4f} after {summary['epochs']} epochs, "
                        f"{summary['seconds']:.0f} s"
                    )
    except Stopped as stopped:
        log_skipped(config, data, workers)
        warn(f"stopped by {stopped}; resume=true goes on")
        return stopped.code
    late = sum(len(split.skipped_late) for split in data.values())
    log_skipped(config, data, workers, round(workers.sum([late])[0]) - late)
    return 0
