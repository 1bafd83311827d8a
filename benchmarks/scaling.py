#!/usr/bin/env python
"""Scaling of training on paper: tables and a curve from a simulation, of counted work and assumed links.

python benchmarks/scaling.py [--picture docs/scaling.png]; what is measured and what is assumed: docs/scaling.md.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import scaling_jobs as jobs
from cases import positive
from scaling_model import efficiency, simulate
from scaling_tables import tables

from src.common.figures import new_figure, write_figure

CURVE = tuple(2**k for k in range(10))


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=jobs.NETWORKS, default="bimlp_s", help="default %(default)s")
    parser.add_argument(
        "--stage", choices=("step1", "step2"), default="step1", help="whose teacher; default %(default)s"
    )
    parser.add_argument(
        "--batch", type=positive, default=jobs.BATCH, help="images per step in all; default %(default)s"
    )
    parser.add_argument(
        "--largest",
        type=positive,
        default=128,
        help="images per device and batch, more are accumulated; default %(default)s",
    )
    parser.add_argument("--step_seconds", type=float, help="of a largest batch; default: counted operations")
    parser.add_argument(
        "--fixed_ms",
        type=float,
        default=1e3 * jobs.FIXED,
        help="of a batch however small; default %(default)s",
    )
    parser.add_argument("--gigabytes_per_second", type=float, help="of a link of your own, a flat ring")
    parser.add_argument("--latency_us", type=float, default=5.0, help="of that link; default %(default)s")
    parser.add_argument(
        "--buckets",
        type=positive,
        default=1,
        help="all-reduces per step; default %(default)s, as the loop has it",
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        help="share of the backward pass to hide them behind; default 0, as the loop has it",
    )
    parser.add_argument(
        "--sync_bn", action="store_true", help="norms over all devices, as model.sync_bn has it"
    )
    parser.add_argument(
        "--jitter",
        type=float,
        default=0.03,
        help="deviation of a batch's time, log-normal; default %(default)s",
    )
    parser.add_argument(
        "--decode",
        type=float,
        default=jobs.DECODED * jobs.CORES,
        help="images/s per device; default %(default)s",
    )
    add_failures(parser)
    parser.add_argument(
        "--steps", type=positive, default=200, help="simulated per point; default %(default)s"
    )
    parser.add_argument("--seed", type=int, default=1, help="default %(default)s")
    parser.add_argument("--picture", help="where to draw the curve")
    return parser.parse_args(argv)


def add_failures(parser):
    parser.add_argument("--mtbf_hours", type=float, default=50_000, help="of one device; default %(default)s")
    parser.add_argument("--write_seconds", type=float, default=5, help="of a checkpoint; default %(default)s")
    parser.add_argument(
        "--restart_seconds", type=float, default=300, help="after a failure; default %(default)s"
    )


def main(argv):
    options = parse(argv)
    for title, text in tables(options).items():
        print(f"{title}\n\n{text}\n")
    if options.picture:
        write_figure(options.picture, curves, options)


def curves(options):
    """The Figure of efficiency against devices, simulated, a line per link; left the total batch fixed, right that of a device."""
    figure = new_figure(10, 4.2)
    titles = {
        f"{options.batch:,} images per step in all": None,
        f"{options.largest} images per device": options.largest,
    }
    for axes, (title, images) in zip(figure.subplots(1, 2, sharey=True), titles.items()):
        for name, fabric in jobs.links(options).items():
            points = [jobs.accelerators(options, n, fabric, images) for n in CURVE]
            found = [efficiency(job, simulate(job, options.steps, options.seed)) for job in points]
            axes.plot(CURVE, found, marker=".", label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(CURVE, [str(n) for n in CURVE])
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("devices")
        axes.set_title(title)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("efficiency")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(jobs.links(options))
    )
    figure.suptitle(f"{options.model}, {options.stage}: simulated, not measured")
    return figure


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
