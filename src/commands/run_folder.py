"""Folder of a run: each stage's settings, the checks before a run goes on, and the summary."""

import contextlib
import json
import os
from pathlib import Path

from src.commands.stage_inputs import STAGES, stage_folder
from src.common.errors import InputError
from src.common.files import holding, read_summary, remove_parts, write_atomic
from src.data.skipped import remove_lists
from src.learn.records import read_records
from src.learn.run_data import from_weights
from src.learn.state import holds_run
from src.settings.config import (
    load_config,
    names_a_path,
    save_config,
    with_absolute_paths,
    with_values,
)
from src.settings.own_values import with_quantizer
from src.settings.schema import TRAITS

SETTINGS = "config.yaml"  # in a stage's folder


def resolved_settings(config, name, classes):
    """Settings in a stage's folder: those of this stage, with the classes of the data and absolute paths."""
    found = {
        "stage": name,
        "model.num_classes": len(classes),
        "data.classes": classes,
        "data.class_names": config.data.class_names or classes,
    }
    return with_absolute_paths(with_values(config, found))


def same_setting(key, before, now):
    """True for two values of a setting that mean the same: one file or folder by several names, or one that has moved (the
    earlier path leads nowhere, the later one ends in the same name)."""
    if before == now or not (names_a_path(key, before) and names_a_path(key, now)):
        return before == now
    moved = not os.path.lexists(before) and os.path.basename(before) == os.path.basename(now)
    return moved or os.path.realpath(before) == os.path.realpath(now)


def with_classes_of_run(config, names):
    """The settings with the classes of the run that is to go on, so that labels are numbers of those."""
    folders = [stage_folder(config, name) for name in names]
    begun = next((folder for folder in folders if config.resume and holds_run(folder)), None)
    if begun is None or config.data.classes:
        return config
    return with_values(config, {"data.classes": load_config(begun / SETTINGS, complete=True).data.classes})


def check_folder(folder, resolved):
    """Look into a stage's folder: when it holds a run, that goes on, and its settings must be the same.

    Raises InputError naming the settings that differ, or a folder that holds a run without resume=true.
    """
    if not holds_run(folder):
        return
    if not resolved.resume:
        raise InputError(f"{folder}: holds a run; give resume=true to go on with it, or another --output_dir")
    from src.model import own_quantizer

    saved = load_config(folder / SETTINGS, complete=True)
    before, now = (with_quantizer(each, resolved.stage, own_quantizer) for each in (saved, resolved))
    fixed = [key for key in now if not TRAITS[key].resume]
    differing = [key for key in fixed if not same_setting(key, before[key], now[key])]
    if differing:
        first = differing[0]
        raise InputError(
            f"{folder}: resume expects the settings of the run: {', '.join(differing)} differ "
            f"({first} was {before[first]}, got {now[first]}); to train longer or otherwise start from its weights: "
            f"{from_weights(folder, resolved.stage)}"
        )
    read_records(folder)  # which the first epoch goes on with


def begin_folder(folder, resolved):
    """Make a stage's folder ready: with its settings, without half-written files of a killed process."""
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    if not holds_run(folder):
        save_config(resolved, folder / SETTINGS)


@contextlib.contextmanager
def output_folder(config, names, classes, workers):
    """Context manager: lock output_dir for this job, and remove a killed job's half-written files and an earlier one's lists.

    Raises InputError, before anything is changed, where a stage of `names` cannot begin or go on (see `check_folder`).
    """
    if not workers.first:
        yield
        return
    with holding(config.output_dir):
        for name in names:
            check_folder(stage_folder(config, name), resolved_settings(config, name, classes))
        remove_parts(config.output_dir)
        remove_lists(config.output_dir)
        yield


def summary_path(config):
    return Path(config.output_dir) / "summary.json"


def write_summary(config, summary):
    """Put one stage's summary into output_dir/summary.json, in the order of the stages."""
    path = summary_path(config)
    known = read_summary(path)
    known[summary["name"]] = summary
    stages = [known[name] for name in STAGES if name in known]
    write_atomic(path, json.dumps({"stages": stages}, indent=2, allow_nan=False) + "\n")
