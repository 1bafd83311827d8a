"""Results as a table for readers and as one object for programs."""

import os
import platform
from pathlib import Path

# Timed work: a whole training step, and its forward pass alone (training mode, no gradients).
WORKS = ("step", "forward")


def each_work(results):
    """(label, what was measured) per case and work; the step's label is the case's name alone."""
    for name, result in results.items():
        for work in WORKS:
            yield name if work == "step" else f"{name}_{work}", result[work]


def table(results):
    """Images per second and ratios: median [quartiles]."""
    lines = [
        f"{'case':<28}{'side':<18}{'images/s':>9}  {'[quartiles]':<16}{'ours / theirs':>14}  [quartiles]"
    ]
    for label, measured in each_work(results):
        for side, speed in measured["images_per_second"].items():
            quartiles = f"[{speed['lower']:.4g}, {speed['upper']:.4g}]"
            line = f"{label:<28}{side:<18}{speed['median']:>9.4g}  {quartiles:<16}"
            if side in measured["ratios"]:
                ratio = measured["ratios"][side]
                line += f"{ratio['median']:>14.2f}  [{ratio['lower']:.2f}, {ratio['upper']:.2f}]"
            lines.append(line.rstrip())
    if not all(measured["quiet"] for _, measured in each_work(results)):
        lines.append("(the machine was busy with other work: these figures say little)")
    return "\n".join(lines)


def summary(results, settings):
    """{<case>_vs_<opponent>: ratio, <case>_forward_vs_<opponent>: ratio, ...} and how the ratios came about."""
    ratios = {
        f"{label}_vs_{side}": ratio["median"]
        for label, measured in each_work(results)
        for side, ratio in measured["ratios"].items()
    }
    return {**ratios, "cases": results, "machine": machine(), "settings": settings}


def machine():
    """Circumstances that the results depend on: processor, cores, Python's version."""
    return {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}


def processor():
    """The processor's name, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
