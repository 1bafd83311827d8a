"""Training a table's rows: each with the same epochs and seeds, resumable, equal networks trained once.

A binary row is trained as the paper does, in two steps by distillation; its teacher, and what step 1 starts from,
is the same network in full precision, trained before. A row in full precision is that teacher. With one teacher for
all rows, step 1 starts from random weights.
"""

import dataclasses
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from src.common.errors import InputError
from src.common.files import read_summary
from src.paper.tables import SMALL
from src.settings.command_line import config_beside
from src.settings.config import load_config, to_flat
from src.settings.own_values import with_quantizer
from src.settings.schema import TRAITS

from .costs import as_text

ROOT = Path(__file__).resolve().parents[2]
# settings that do not change a network in full precision
ONLY_BINARY = (
    "model.quantizer",
    "model.activation_gradient",
    "stages.step1.kd_alpha",
    "stages.step2.kd_alpha",
)
WARMUP_SHARE = 4  # the warm-up is at most one epoch in so many
LOG = "train.log"
SMALL_SIDE = 32  # pixels of the images that small networks are for
# settings that take the full-precision network's weights
INITIAL_WEIGHTS = (
    "stages.step1.init",
    "stages.step1.teacher_checkpoint",
    "stages.step2.teacher_checkpoint",
)


@dataclasses.dataclass(frozen=True)
class Budget:
    """Settings that all rows share: the overlay, the data, epochs per stage, the folder of the runs, further settings.

    small: the networks of paper.SMALL instead of the paper's. teacher: checkpoint of one teacher for all binary rows, as
    best.ckpt of a stage; "" for each row's own.
    """

    config_path: str
    data_path: str
    epochs: int
    output_dir: Path
    overrides: tuple
    small: bool
    teacher: str = ""


def network_of(row, budget):
    """The name of the network that a row is trained with. Raises InputError where there is none."""
    if not budget.small:
        return row.network
    from src.model import image_size_of

    network = SMALL.get(row.network, row.network)
    if image_size_of(network) > SMALL_SIDE:
        raise InputError(f"row {row.name!r}: {row.network} has no small network; give --size paper")
    return network


def check_budget(rows, budget):
    """Refuse at once what would fail hours later: rows without a network, and a teacher that cannot serve them all.

    A teacher is built with a row's settings, so that those must leave a network in full precision as it is.

    Raises InputError.
    """
    for row in rows:
        network_of(row, budget)
        others = [key for key in row.settings if key not in ONLY_BINARY]
        if budget.teacher and others:
            raise InputError(
                f"row {row.name!r}: expected settings that leave a teacher as it is, got {', '.join(others)}; "
                "train it without --teacher"
            )
    if budget.teacher:
        _shared_teacher(budget.teacher)


def run_name(network, precision, settings):
    """The folder's name: the network and what differs from its defaults, so that equal runs share a folder."""
    defaults = to_flat(load_config())
    parts = [
        f"{key.rpartition('.')[2]}={as_text(value)}"
        for key, value in sorted(settings.items())
        if defaults[key] != value
    ]
    parts = dict.fromkeys(parts)  # alpha is the same in both steps
    return re.sub(r"[^\w.=,+-]", "", "-".join((network, precision, *parts)))


def train_row(row, seed, budget):
    """Train one row with one seed, as far as it is not yet, and return its figures: top1, top5 of best.ckpt, and of
    the stages before, images/s and seconds.

    Raises InputError where a training fails, with its last line.
    """
    network = network_of(row, budget)
    if budget.teacher and row.precision == "binary":
        values, teacher_top1 = _shared_teacher(budget.teacher)
    else:
        full = {key: value for key, value in row.settings.items() if key not in ONLY_BINARY}
        teacher = _train(network, "fp32", full, seed, budget, {})
        if row.precision == "fp32":
            return {**_figures(teacher, ("teacher",)), "network": network}
        values = dict.fromkeys(INITIAL_WEIGHTS, teacher / "teacher" / "best.ckpt")
        teacher_top1 = _stages(teacher)["teacher"]["top1"]
    folder = _train(network, "binary", row.settings, seed, budget, values)
    figures = _figures(folder, ("step1", "step2"))
    return {**figures, "teacher_top1": teacher_top1, "network": network}


def _shared_teacher(checkpoint):
    """(settings of a teacher for all rows, its top-1 as its run's summary has it). Raises InputError where there is no summary."""
    path = Path(checkpoint).resolve()
    model = config_beside(path).model.name
    stage = _stages(path.parents[1]).get(path.parent.name)
    if stage is None:
        raise InputError(
            f"teacher {checkpoint}: expected a stage's folder in its run's, with summary.json, got none"
        )
    values = {"stages.step1.init": ""}
    for step in ("step1", "step2"):
        values[f"stages.{step}.teacher"], values[f"stages.{step}.teacher_checkpoint"] = model, path
    return values, stage["top1"]


def _train(network, precision, settings, seed, budget, teacher):
    """Run train.py for one network into its folder, and return that. teacher: settings on whom it learns from."""
    stages = ("teacher",) if precision == "fp32" else ("step1", "step2")
    folder = budget.output_dir / "runs" / f"{run_name(network, precision, settings)}-seed{seed}"
    found = _stages(folder)
    values = {
        "model.name": network,
        "seed": seed,
        "resume": "true",
        "stage": "teacher" if precision == "fp32" else "all",
        **settings,
        **teacher,
    }
    configured = load_config(budget.config_path or None, budget.overrides).stages
    for stage in ("teacher", "step1", "step2"):
        values[f"stages.{stage}.epochs"] = budget.epochs if stage in stages else 0
        warmup = min(getattr(configured, stage).warmup_epochs, budget.epochs // WARMUP_SHARE)
        values[f"stages.{stage}.warmup_epochs"] = warmup
    overrides = [*budget.overrides, *(f"{key}={as_text(value)}" for key, value in values.items())]
    if all(stage in found and found[stage]["epochs"] == budget.epochs for stage in stages):
        may_differ = (
            () if budget.teacher else INITIAL_WEIGHTS
        )  # their paths, where a row's own teacher is in this folder
        _require_same_settings(folder, stages, load_config(budget.config_path or None, overrides), may_differ)
        return folder
    command = [sys.executable, str(ROOT / "train.py"), "--output_dir", str(folder), *_inputs(budget)]
    command += overrides
    folder.mkdir(parents=True, exist_ok=True)
    code = run_logged(command, folder / LOG)
    if code:
        lines = (folder / LOG).read_text().splitlines() or ["nothing"]
        raise InputError(
            f"{folder.name}: training ended with code {code}, its last line: {lines[-1]} (all of it: {folder / LOG})"
        )
    return folder


def _require_same_settings(folder, stages, config, may_differ):
    """Raises InputError where a finished run was made with other settings than those of `config`, as for other data."""
    from src.model import own_quantizer

    for stage in stages:
        saved = load_config(folder / stage / "config.yaml", complete=True)
        now, before = (with_quantizer(each, stage, own_quantizer) for each in (config, saved))
        for key, value in now.items():
            if key not in may_differ and not TRAITS[key].per_run and value != before[key]:
                raise InputError(
                    f"{folder}: holds a run with other settings ({key} was {before[key]}, got {value}); "
                    "give another --output_dir"
                )


def _inputs(budget):
    inputs = ["--config_path", str(Path(budget.config_path).resolve())] if budget.config_path else []
    return inputs + (["--data_path", str(Path(budget.data_path).resolve())] if budget.data_path else [])


def run_logged(command, log):
    """The exit code of a command whose output goes to a file; it does not outlive this process, told to stop once or more."""

    def stop(number, frame):
        signal.signal(number, signal.SIG_IGN)  # a second one would end this process before the command
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with open(log, "a") as file, subprocess.Popen(command, stdout=file, stderr=file, cwd=ROOT) as child:
            try:
                return child.wait()
            finally:
                if child.poll() is None:
                    child.terminate()
                    child.wait()
    finally:
        signal.signal(signal.SIGTERM, before)


def _stages(folder):
    """Summaries of a run's stages by name, from summary.json; {} where there is none yet."""
    return read_summary(folder / "summary.json")


def _figures(folder, stages):
    found = _stages(folder)
    last = found[stages[-1]]
    figures = {
        "top1": last["top1"],
        "top5": last["top5"],
        "images_per_second": last["images_per_second"],
        "seconds": sum(found[stage]["seconds"] for stage in stages),
        "folder": folder.name,
    }
    if "step1" in stages:
        figures["step1_top1"] = found["step1"]["top1"]
    return figures


def train_table(rows, seeds, budget, log):
    """Train rows with seeds 1 .. `seeds`, one line logged per row and seed.

    Yields, after each, the list of (row, figures per seed so far) of all rows begun.
    """
    results = []
    for row in rows:
        figures = []
        results.append((row, figures))
        for seed in range(1, seeds + 1):
            start = time.monotonic()
            figures.append({"seed": seed, **train_row(row, seed, budget)})
            now = figures[-1]
            before = (
                f", step 1 {now['step1_top1']:.4f}, teacher {now['teacher_top1']:.4f}"
                if "step1_top1" in now
                else ""
            )
            log(
                f"{row.name}, seed {seed}: top-1 {now['top1']:.4f}{before}; {now['images_per_second']:.0f} images/s, "
                f"{time.monotonic() - start:.0f} s"
            )
            yield results
