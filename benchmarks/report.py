"""Results as a table for readers and as one object for programs."""

import os
import platform
from pathlib import Path


def table(results):
    """Images per second and ratios: median [quartiles]."""
    lines = [
        f"{'case':<14}{'side':<18}{'images/s':>9}  {'[quartiles]':<14}{'ours / theirs':>14}  [quartiles]"
    ]
    for name, result in results.items():
        for side, speed in result["images_per_second"].items():
            quartiles = f"[{speed['lower']:.0f}, {speed['upper']:.0f}]"
            line = f"{name:<14}{side:<18}{speed['median']:>9.0f}  {quartiles:<14}"
            if side in result["ratios"]:
                ratio = result["ratios"][side]
                line += f"{ratio['median']:>14.2f}  [{ratio['lower']:.2f}, {ratio['upper']:.2f}]"
            lines.append(line.rstrip())
    if not all(result["quiet"] for result in results.values()):
        lines.append("(the machine was busy with other work: these figures say little)")
    return "\n".join(lines)


def summary(results, settings):
    """{<case>_vs_<opponent>: ratio, ...} and how the ratios came about."""
    ratios = {
        f"{name}_vs_{side}": ratio["median"]
        for name, result in results.items()
        for side, ratio in result["ratios"].items()
    }
    machine = {"processor": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {**ratios, "cases": results, "machine": machine, "settings": settings}


def processor():
    """The processor's name, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
