"""Compare runs, finished or in progress: python -m src.commands.report RUN... [--output DIR].

A table (Markdown) and a picture (PNG), a row and a line per stage of a run. MindSpore is not imported: it is quick.
"""

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path

from src.common.errors import InputError
from src.common.files import ensure_writable_dir, write_atomic
from src.common.markdown import markdown_table
from src.common.output import result
from src.common.text import printable
from src.learn.curves import draw_runs
from src.learn.records import read_records
from src.settings.command_line import CONFIG_NAME, Parser, run
from src.settings.config import load_config
from src.settings.schema import SECTIONS

TABLE, PICTURE = "table.md", "curves.png"
STAGES = tuple(key.removeprefix("stages.") for key in SECTIONS if key.startswith("stages."))
UNKNOWN = "-"
HEADER = (
    "run", "model", "precision", "epochs", "best top-1", "at epoch", "last loss", "images/s", "ms/step", "data wait",
    "hours", "state",
)  # fmt: skip
TEXT_COLUMNS = ("run", "model", "precision", "state")  # to the left, the others to the right


@dataclasses.dataclass(frozen=True)
class StageRun:
    """Content of one stage's folder: its settings, and the metrics records of its finished epochs."""

    folder: Path
    model: str
    precision: str
    epochs: int
    records: list

    @property
    def done(self):
        """Finished epochs."""
        return self.records[-1]["epoch"] if self.records else 0


def read_stage(folder):
    """The StageRun of a stage's folder; without metrics.jsonl its first epoch is under way.

    Raises InputError for settings or metrics that cannot be read.
    """
    path = folder / CONFIG_NAME
    config = load_config(path)
    if config.stage not in STAGES:
        raise InputError(
            f"{path}: expected the settings of one stage ({', '.join(STAGES)}), got {config.stage}"
        )
    settings = getattr(config.stages, config.stage)
    model = settings.model or config.model.name
    return StageRun(folder, model, settings.precision, settings.epochs, read_records(folder))


def stage_folders(path):
    """The folders of stages that `path` stands for: itself, or those in it, in the order of the stages.

    Raises InputError when it holds no run.
    """
    path = Path(path)
    folders = [
        folder for folder in (path, *(path / name for name in STAGES)) if (folder / CONFIG_NAME).is_file()
    ]
    if not folders:
        what = "a folder without one" if path.is_dir() else "a file" if path.exists() else "no such folder"
        raise InputError(
            f"{path}: expected a run of train.py (a folder with {CONFIG_NAME}, or with {', '.join(STAGES)} that "
            f"hold one), got: {what}"
        )
    return folders[:1] if folders[0] == path else folders


def read_runs(paths):
    """The stages of all runs as a dict from name to StageRun; a folder named twice counts once.

    Raises InputError as `stage_folders` and `read_stage`.
    """
    folders = list(dict.fromkeys(folder.resolve() for path in paths for folder in stage_folders(path)))
    return dict(zip(short_names(folders), map(read_stage, folders)))


def short_names(folders):
    """The shortest endings of different paths, all of as many parts, that tell them apart: a/step2, b/step2."""
    count = 1
    while len({folder.parts[-count:] for folder in folders}) < len(folders):
        count += 1
    return ["/".join(folder.parts[-count:]) for folder in folders]


# --- the table ---


def row(name, stage):
    """The cells of one stage's row, in the order of HEADER; speeds are those of the median epoch."""
    best = max(stage.records, key=lambda record: record["top1"]) if stage.records else {}
    last = stage.records[-1] if stage.records else {}
    seconds = sum(r.get("seconds", 0) + r.get("compile_seconds", 0) for r in stage.records)
    return (
        name,
        stage.model,
        stage.precision,
        f"{stage.done}/{stage.epochs}",
        _number(best.get("top1"), ".4f"),
        _number(best.get("epoch"), "d"),
        _number(last.get("train_loss"), ".4f"),
        _number(_median(stage.records, "images_per_second"), ".0f"),
        _number(_median(stage.records, "step_seconds", 1000), ".1f"),
        _number(_median(stage.records, "data_wait", 100), ".0f", " %"),
        f"{seconds / 3600:.3f}",
        "finished" if stage.done >= stage.epochs else "in progress",
    )


def _median(records, key, scale=1):
    """The median of a key times scale, over the records that have it, or None."""
    values = [record[key] * scale for record in records if key in record]
    return statistics.median(values) if values else None


def _number(value, form, unit=""):
    return UNKNOWN if value is None else f"{value:{form}}{unit}"


def table(runs):
    """The Markdown table of runs, a dict from name to StageRun."""
    return markdown_table(HEADER, [row(name, stage) for name, stage in runs.items()], TEXT_COLUMNS)


def main(argv):
    """Reads the runs, writes table and picture, prints the table."""
    parser = Parser(
        prog="python -m src.commands.report",
        description="Compares runs, finished or in progress: a table (Markdown) and their curves (PNG).\n"
        "example: python -m src.commands.report output/a output/b/step2 --output report",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="an output_dir of train.py, or a stage's folder in it"
    )
    parser.add_argument("--output", default="report", metavar="DIR", help="where to write (default: report)")
    args = parser.parse_args(argv)
    runs = read_runs(args.runs)
    text = table(runs)
    output = Path(args.output)
    ensure_writable_dir(output)
    write_atomic(output / TABLE, text + "\n")
    draw_runs(output / PICTURE, {name: stage.records for name, stage in runs.items()})
    for line in text.splitlines():
        result(printable(line))
    result(f"-> {printable(output / TABLE)}, {printable(output / PICTURE)}")


if __name__ == "__main__":
    sys.exit(run(main))
