#!/usr/bin/env python
"""Speed of the input pipelines beside Pillow and NumPy, and how long a training step waits for data; see README.md."""

import argparse
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import PIL
from PIL import Image
from report import processor
from rounds import run_rounds, speeds
from worker import Worker, WorkerError

HERE = Path(__file__).resolve().parent
CORES = (1, 2)
WORKS = {"training": "train", "evaluation": "val"}  # row -> split
# Ours reads every file anew in each epoch, or keeps the decoded pictures in memory and is timed after the first epoch.
OURS, THEIRS = ("files", "memory"), "pillow"
SIDES = (*OURS, THEIRS)
PARTS = ("pipelines", "loops")
# Training loops whose waiting is measured: overlay of the settings, and the option that names its data.
LOOPS = {"digits": (None, None), "cifar10": ("config/cifar10.yaml", "cifar_path")}
ROUNDING = 1e-5  # of a normalised pixel: the evaluation pixels are the same
LEVEL = (
    1 / 255 / 0.225
)  # of a normalised pixel: one of 256 values. Pillow rounds a box otherwise than a whole image
STATISTICS = 0.03  # of the standard deviation: an epoch's mean and deviation per channel in training
MEAN, STD = np.float32((0.485, 0.456, 0.406)), np.float32((0.229, 0.224, 0.225))


class Disagreement(Exception):
    """The pipelines do not deliver the same."""


def main(argv):
    """Returns the exit code: 0, or 1 when the pipelines disagree or a worker fails."""
    options = parse(argv)
    found, cores = {"pipelines": {}, "loops": {}}, sorted(os.sched_getaffinity(0))
    try:
        with tempfile.TemporaryDirectory() as folder:
            link_pictures(options.data_path, Path(folder), options.images)
            for count in CORES if "pipelines" in options.parts else ():
                os.sched_setaffinity(0, cores[:count])
                found["pipelines"].update(run_pipelines(options, folder, count))
        os.sched_setaffinity(0, cores)
        for name in LOOPS if "loops" in options.parts else ():
            if LOOPS[name][1] is None or options.cifar_path:
                found["loops"][name] = run_loop(options, name)
    except (Disagreement, WorkerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(table(found), file=sys.stderr if options.json else sys.stdout)
    if options.json:
        machine = {"processor": processor(), "cores": len(cores), "pillow": PIL.__version__}
        print(json.dumps({**found, "machine": machine, "settings": vars(options)}), flush=True)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_path", required=True, help="folder of class folders, or with train/ and val/")
    parser.add_argument(
        "--cifar_path", help="CIFAR-10 as train.py takes it; without it that loop is left out"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="default: both")
    parser.add_argument("--blocks", type=int, default=7, help="timed epochs per side (default %(default)s)")
    parser.add_argument(
        "--images", type=int, default=800, help="per epoch; pictures are repeated (default %(default)s)"
    )
    parser.add_argument("--batch_size", type=int, default=50, help="default %(default)s")
    parser.add_argument(
        "--size", type=int, default=224, help="pixels, height and width (default %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=150, help="of each training loop (default %(default)s)")
    parser.add_argument(
        "--json", action="store_true", help="end with one JSON object; the table goes to stderr"
    )
    options = parser.parse_args(argv)
    if options.images % options.batch_size:
        parser.error(f"--images: expected a multiple of --batch_size, got {options.images}")
    return options


def link_pictures(source, folder, count):
    """The same `count` pictures, as links, in folder/train and folder/val; fewer are repeated."""
    source = Path(source).resolve()
    if (source / "val").is_dir():
        source = source / "val"
    files = sorted(file for file in source.glob("*/*") if not file.name.startswith("."))
    if not files:
        raise SystemExit(f"--data_path: expected class folders with pictures, got {source}")
    for number in range(count):
        # spread over the classes when there are more pictures than are wanted
        file = files[number * max(1, len(files) // count) % len(files)]
        for split in WORKS.values():
            link = folder / split / file.parent.name / f"{number:06d}{file.suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)


def run_pipelines(options, folder, cores):
    """{row: what was measured} of both splits with so many cores: verified, then timed in turn."""

    def log(record):
        print(json.dumps({"cores": cores, **record}), flush=True)

    found = {}
    with ExitStack() as stack:
        workers = {}
        for side in SIDES:
            workers[side] = start_worker(side, "loading", stack)
            workers[side].ask(
                "prepare", side=side, folder=folder, size=options.size, batch_size=options.batch_size,
                threads=cores,
            )  # fmt: skip
        log(
            {"differences": verify(workers, folder, options.size)}
        )  # an epoch of each: memory is filled by it
        steps = options.images // options.batch_size
        for row, split in WORKS.items():
            rounds, quiet = run_rounds(workers, options.blocks, split, steps, options.batch_size, log)
            found[f"{row}_{cores}"] = {"quiet": quiet, **each_speed(rounds)}
    return found


def each_speed(rounds):
    """Images per second of each side, and the ratios of ours to Pillow's."""
    result = {"images_per_second": {}, "ratios": {}}
    for side in OURS:
        found = speeds([{side: blocks[side], THEIRS: blocks[THEIRS]} for blocks in rounds], side)
        result["images_per_second"].update(found["images_per_second"])
        result["ratios"][side] = found["ratios"][THEIRS]
    return {"rounds": len(rounds), **result}


def start_worker(name, kind, stack):
    """A process of data_side.py that ends with the stack; NumPy and OpenCV get one thread beside the pipeline's."""
    command = [sys.executable, str(HERE / "data_side.py"), kind]
    worker = Worker(name, command, {} if kind == "training" else {"OMP_NUM_THREADS": "1"}, HERE.parent)
    stack.callback(worker.close)
    return worker


def verify(workers, folder, size):
    """Compare what the pipelines deliver; the largest differences. Raises Disagreement."""
    found = {}
    for side, worker in workers.items():
        worker.ask("verify", file=f"{folder}/{side}.npz")
        found[side] = dict(np.load(f"{folder}/{side}.npz"))
    files = sorted((Path(folder) / "val").glob("*/*"))
    expected = np.stack([evaluation_pixels(file, size) for file in files])
    return compare(found, expected)


def compare(found, expected):
    """Differences between what the sides deliver and what is expected. Raises Disagreement.

    Args:
        found: {side: {images (N, 3, S, S), labels (N,), mean (3,), std (3,), shape (4,)}}.
        expected: the evaluation images.
    """
    theirs = found[THEIRS]
    pillow = float(np.abs(theirs["images"] - expected).mean())
    differences = {f"{THEIRS}, evaluation, on average": (pillow, LEVEL / 4)}
    for side in OURS:
        ours = found[side]
        if any(not np.array_equal(ours[key], theirs[key]) for key in ("labels", "shape")):
            raise Disagreement(f"{side}: expected the same labels and shapes as from {THEIRS}")
        mean = np.abs((ours["mean"] - theirs["mean"]) / theirs["std"]).max()
        std = np.abs(ours["std"] / theirs["std"] - 1).max()
        differences[f"{side}, evaluation"] = float(np.abs(ours["images"] - expected).max()), ROUNDING
        differences[f"{side}, training, mean"] = float(mean), STATISTICS
        differences[f"{side}, training, std"] = float(std), STATISTICS
    for name, (difference, limit) in differences.items():
        if not difference <= limit:
            raise Disagreement(f"{name}: difference {difference:.3g}, allowed {limit:.3g}")
    return {name: difference for name, (difference, _) in differences.items()}


def evaluation_pixels(file, size):
    """The evaluation image by MindSpore's operators: resize all of it, then crop; float32 (3, size, size)."""
    from mindspore.dataset import vision

    image = np.asarray(Image.open(file).convert("RGB"))
    image = vision.Resize(round(size * 256 / 224), vision.Inter.PILCUBIC)(image)
    image = vision.CenterCrop(size)(image)
    return ((image / np.float32(255) - MEAN) / STD).transpose(2, 0, 1)


def run_loop(options, name):
    """Images per second of a training loop and the share of it spent waiting for batches."""
    overlay, option = LOOPS[name]
    with ExitStack() as stack:
        answer = start_worker(name, "training", stack).ask(
            "wait", config_path=overlay and str(HERE.parent / overlay), steps=options.steps,
            data_path=os.path.abspath(getattr(options, option)) if option else "",
        )  # fmt: skip
    result = {
        "images_per_second": round(answer["images_per_second"], 1),
        "waiting_share": round(answer["waited"] / answer["seconds"], 5),
    }
    print(json.dumps({"loop": name, **result}), flush=True)
    return result


def table(found):
    """Images per second, median [quartiles], and the shares of waiting."""
    lines = [f"{'pipeline, cores':<18}" + "".join(f"{side:>8} {'[quartiles]':<14}" for side in SIDES)]
    lines[0] += "".join(f"{side + '/' + THEIRS:>15}" for side in OURS)
    for row, measured in found["pipelines"].items():
        line = f"{row.replace('_', ', '):<18}"
        for side in SIDES:
            speed = measured["images_per_second"][side]
            quartiles = f"[{speed['lower']:.0f}, {speed['upper']:.0f}]"
            line += f"{speed['median']:>8.0f} {quartiles:<14}"
        line += "".join(f"{measured['ratios'][side]['median']:>15.2f}" for side in OURS)
        lines.append(line + ("" if measured["quiet"] else "  (the machine was busy)"))
    for name, loop in found["loops"].items():
        speed, share = loop["images_per_second"], loop["waiting_share"]
        lines.append(
            f"{name} training: {speed:.0f} images/s, {100 * share:.2f} % of the time waiting for data"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
