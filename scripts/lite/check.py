"""MINDIR files in MindSpore Lite beside MindSpore: check.py RUNNER FILE.mindir ..; scripts/run_lite_check.sh calls it.

Images are random; beside a run, the answers for its validation pictures are compared as well.

RUNNER: the program of run_mindir.cc. A file of this project's graph writer whose logits differ is compared again in
parts: cut before its signs and phases, with MindSpore's values fed in (src/deploy/compare.py).
"""

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mindspore.train.mind_ir_pb2 import ModelProto

from src.common.errors import InputError, first_line
from src.common.files import read_file
from src.common.output import result
from src.common.text import printable
from src.data import create_dataset
from src.data.transform import Transform
from src.deploy.compare import compare_in_parts, largest, random_batches
from src.deploy.cuts import Cut
from src.deploy.feeding import read_feeding
from src.deploy.mindir_file import load_mindir
from src.deploy.mindir_parts import cut, rounded_values, with_outputs
from src.settings.command_line import config_beside, run

BATCH = 2  # images for a file that takes any number
TOLERANCE = 2e-3  # relative to the largest number, or 1: Lite's cosine rounds at 1e-3
REPEATS = 5
PICTURES = 1000  # at most
SECONDS = 300  # for a file: Lite has faults that let it wait for ever


class Lite:
    """MINDIR files run by RUNNER, in a folder for temporary files."""

    def __init__(self, runner, folder):
        self.runner, self.folder = runner, Path(folder)

    def run(self, path, names, inputs, repeats=0, batch=None):
        """(outputs, milliseconds of the fastest run) of a file for inputs by name. Raises InputError where Lite refuses.

        batch: images of one run, a divisor of theirs; all of them if None.
        """
        lines = []
        for i, (name, array) in enumerate(zip(names, inputs)):
            np.ascontiguousarray(array, np.float32).tofile(self.folder / f"input_{i}")
            shape = batch or len(array), *array.shape[1:]
            lines.append(f"{name} {array.ndim} {' '.join(map(str, shape))} input_{i}\n")
        (self.folder / "inputs.txt").write_text("".join(lines))
        command = [self.runner, path, self.folder, "1", str(repeats)]
        libraries = str(Path(self.runner).parent / "lib")
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", env=environment, timeout=SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise InputError(f"no answer within {SECONDS} seconds") from error
        if done.returncode:
            words = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
            raise InputError(words[-1].removeprefix(f"{path}: "))
        outputs = []
        for line in (self.folder / "outputs.txt").read_text().splitlines():
            *_, file = fields = line.split()
            shape = [int(size) for size in fields[3:-1]]
            outputs.append(np.fromfile(self.folder / file, np.float32).reshape(-1, *shape))
        return outputs, float(done.stdout.split()[-1])


def compare_file(path, lite):
    """(line of text, whether Lite and MindSpore agree) for a file."""
    data = read_file(path)
    first = ModelProto.FromString(data).graph.input[0]
    batch, *_, size = first.tensor[0].dims
    batches = random_batches(batch if batch > 0 else BATCH, size)
    expected = load_mindir(path)(batches[0])
    (logits,), time = lite.run(path, [first.name], batches, REPEATS)
    scale = max(1.0, largest(expected))
    difference = largest(logits - expected) / scale
    text = f"{difference:.2g}, {time / len(logits):.2f} ms per image on one thread"
    if difference <= TOLERANCE:
        return f"largest difference {text}", True
    comparison = compare_parts(data, lite, batches, [expected], difference)
    agrees = comparison is not None and max(comparison.difference / scale, comparison.margin) <= TOLERANCE
    return f"largest difference {text}; {comparison or 'without signs and phases to cut before'}", agrees


def pictures_beside(path, limit):
    """(images, labels) of the validation split of the run that a file lies beside, prepared as the file says, at most `limit`.

    None where there is no run, or its pictures are not there.
    """
    try:
        config, found = config_beside(path), read_feeding(path)
        transform = Transform(*(found[key] for key in ("image_size", "resize", "mean", "std")))
        data = create_dataset(config, "val", transform=transform)
    except InputError:
        return None
    batches = itertools.islice(data.epoch(0), -(-limit // config.data.eval_batch_size))
    images, labels = map(np.concatenate, zip(*batches))
    return images[:limit], labels[:limit]


def compare_answers(path, lite):
    """Line of text: how often Lite's class of a picture is MindSpore's, and right; "" without pictures."""
    first = ModelProto.FromString(read_file(path)).graph.input[0]
    batch = max(first.tensor[0].dims[0], 1)
    found = pictures_beside(path, PICTURES // batch * batch)
    if found is None:
        return ""
    images, labels = found
    count = len(images) // batch * batch
    images, labels = images[:count], labels[:count]
    run = load_mindir(path)
    expected = [run(images[start : start + batch]) for start in range(0, count, batch)]
    (logits,), _ = lite.run(path, [first.name], [images], batch=batch)
    ours, theirs = (each.argmax(1) for each in (np.concatenate(expected), logits))
    alike, right, both = (int(each.sum()) for each in (theirs == ours, theirs == labels, ours == labels))
    return f"; {count} pictures: {alike} answers alike, {right} right in Lite and {both} in MindSpore"


def compare_parts(data, lite, batches, expected, end_to_end):
    """Comparison of a file's parts in Lite with MindSpore's; None for a file without signs and phases."""
    parts, probe = (ModelProto.FromString(data) for _ in range(2))
    cuts = [Cut(0, name, tuple(map(binarization, signs))) for name, signs in rounded_values(probe).items()]
    if not cuts:
        return None
    names = [each.name for each in cuts]
    cut(parts, names)
    with_outputs(probe, names)
    paths = [lite.folder / "parts.mindir", lite.folder / "probe.mindir"]
    for path, message in zip(paths, (parts, probe)):
        path.write_bytes(message.SerializeToString())
    inputs, reference = [each.name for each in parts.graph.input], load_mindir(paths[1])

    def run_parts(images, given):
        (logits, *values), _ = lite.run(paths[0], inputs, [images, *given])
        return logits, values

    def run_reference(images):
        logits, *values = reference(images)
        return logits, values

    return compare_in_parts(run_parts, run_reference, cuts, batches, expected, end_to_end)


def binarization(sign):
    """Arguments of the operation binarize that turns where a comparison (primitive, threshold) does."""
    primitive, threshold = sign[0], np.frombuffer(sign[1].raw_data, "<f4")
    if primitive == "Less":  # not (x > the number before the threshold)
        threshold = np.nextafter(threshold, np.float32(-np.inf))
    return {"levels": (0, 1), "threshold": threshold}


def main(argv):
    """1 if a file differs or is refused, else 0."""
    if len(argv) < 2:
        raise InputError("usage: check.py RUNNER FILE.mindir ..")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        lite = Lite(argv[0], folder)
        for path in argv[1:]:
            try:
                text, agrees = compare_file(path, lite)
                text += compare_answers(path, lite)
            except (InputError, RuntimeError, ValueError) as error:
                text, agrees = f"refused: {first_line(error)}", False
            result(f"{printable(path)}: {'agrees' if agrees else 'DIFFERS'}: {text}")
            good = good and agrees
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(run(main))
