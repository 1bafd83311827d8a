#!/usr/bin/env python
"""train.py as a process: seconds from the command to the first step, and the memory of each stage; see README.md."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cases import positive
from report import processor

ROOT = Path(__file__).resolve().parents[1]
# name -> settings; those at 224 need --data_path
NETWORKS = {
    "bimlp_t": ("model.name=bimlp_t",),
    "bimlp_s": ("model.name=bimlp_s", "data.batch_size=8"),
    "bimlp_m": ("model.name=bimlp_m", "data.batch_size=4"),
}
LARGE = (
    "data.source=imagenet", "data.image_size=224", "data.eval_batch_size=8", "data.crop_padding=0",
    "data.crop_scale=[0.08, 1.0]",
)  # fmt: skip
STAGES = ("teacher", "step1", "step2")
FIRST = r" step 1/"  # in the line of the first step
EARLY = 0.2  # share of the steps after which memory is looked at for the first time


class Failed(Exception):
    """train.py did not end as it should."""


def main(argv):
    """Returns the exit code: 0, or 1 when train.py fails."""
    options = parse(argv)
    try:
        for record in {"startup": startup, "memory": memory}[options.what](options):
            print(json.dumps({"case": options.case, **record}), flush=True)
    except Failed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"{processor()}, {os.cpu_count()} cores", file=sys.stderr)
    return 0


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("startup", "memory"))
    parser.add_argument("--case", choices=NETWORKS, default="bimlp_t", help="default %(default)s")
    parser.add_argument(
        "--data_path", help="image folder with train/ and val/, or class folders, for all but bimlp_t"
    )
    parser.add_argument(
        "--steps", type=positive, default=20, help="of each stage (memory; default %(default)s)"
    )
    parser.add_argument(
        "--stages", nargs="+", choices=STAGES, default=STAGES, help="default: all, in this order"
    )
    parser.add_argument(
        "--repeats", type=positive, default=3, help="warm starts (startup; default %(default)s)"
    )
    options = parser.parse_args(argv)
    if options.case != "bimlp_t" and not options.data_path:
        parser.error(f"--data_path: {options.case} needs pictures")
    return options


def startup(options):
    """Yield seconds from the start of train.py to the end of the first step, per stage.

    new: nothing is there yet, the operators are compiled as well (which happens once per machine); cold: the graphs
    are compiled; warm: they are there.
    """
    with tempfile.TemporaryDirectory() as folder:
        out, cache = Path(folder) / "out", Path(folder) / "cache"
        for stage in options.stages:
            run = [*settings(options, Path(folder), stage, 1), f"output_dir={out}"]
            starts = ["cold", *["warm"] * options.repeats]
            starts = starts if cache.exists() else ["new", *starts]
            for number, start in enumerate(starts, 1):
                shutil.rmtree(out / stage, ignore_errors=True)
                if start == "cold":
                    shutil.rmtree(cache / "graphs", ignore_errors=True)
                # the last one leaves the checkpoint that the next stage needs
                until = FIRST if number < len(starts) else None
                lines = observe(run, {"BIMLP_CACHE": str(cache)}, until)
                first = next(each["seconds"] for each in lines if re.search(FIRST, each["line"]))
                said = next(each["line"] for each in lines if re.search(r"(compiled|ready) in", each["line"]))
                yield {"stage": stage, "start": start, "seconds": round(first, 1), "said": said}


def memory(options):
    """Yield the peak and the resident memory early and late in the steps of each stage, GB."""
    with tempfile.TemporaryDirectory() as folder:
        for stage in options.stages:
            run = [*settings(options, Path(folder), stage, options.steps), f"output_dir={folder}/out"]
            lines = observe(run, {})
            steps = [each["resident"] for each in lines if re.search(r" step \d+/", each["line"])]
            peak = max(each["peak"] for each in lines)
            early = steps[int(EARLY * len(steps))]
            yield {
                "stage": stage, "steps": len(steps), "peak": gigabytes(peak), "early": gigabytes(early),
                "late": gigabytes(steps[-1]),
            }  # fmt: skip


def settings(options, folder, stage, steps):
    """The arguments of train.py for one epoch of a stage."""
    given = [
        f"stage={stage}", "train.log_every=1", f"train.steps_per_epoch={steps}", f"stages.{stage}.epochs=1",
        f"stages.{stage}.warmup_epochs=0", *NETWORKS[options.case],
    ]  # fmt: skip
    if options.case != "bimlp_t":
        given += [*LARGE, f"data.path={link_pictures(options, folder)}"]
    return given


def link_pictures(options, folder):
    """A folder with train/ and val/ out of the one given, which may have them already."""
    source = Path(options.data_path).resolve()
    if (source / "train").is_dir():
        return source
    for split in ("train", "val"):
        link = folder / "pictures" / split
        link.parent.mkdir(exist_ok=True)
        if not link.exists():
            link.symlink_to(source)
    return folder / "pictures"


def observe(arguments, environment, until=None):
    """Run train.py, to its end or the line where the pattern `until` is found; its lines, each with the seconds since the
    start and the process's memory then, in bytes."""
    command = [sys.executable, "train.py", *arguments]
    start, lines = time.perf_counter(), []
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, text=True, stdout=subprocess.PIPE
    )
    for line in process.stdout:
        lines.append({"line": line.rstrip(), "seconds": time.perf_counter() - start, **held(process.pid)})
        if until is not None and re.search(until, line):
            process.kill()
    if process.wait() and until is None:
        raise Failed(f"{' '.join(command)}: exit code {process.returncode}")
    return lines


def held(pid):
    """Resident memory of a process, now and at most so far, in bytes; 0 once it has ended."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^Vm(RSS|HWM):\s+(\d+) kB", status, re.M))
    return {"resident": 1024 * int(found.get("RSS", 0)), "peak": 1024 * int(found.get("HWM", 0))}


def gigabytes(count):
    return round(count / 1e9, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
