#!/usr/bin/env python
"""Instructions per binary multiply-accumulate of the engine's inner loops on AArch64.

usage:  python benchmarks/arm_loops.py      with aarch64-linux-gnu-g++, or CXX, and llvm-mca, or LLVM_MCA
expect: for neon and neon_dot each length of the inner loop over whole tiles of positions: instructions, MACs, their ratio,
        and for each processor the MACs per cycle by llvm-mca's model of it.
"""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROCESSORS = ("cortex-a76", "neoverse-n1")
TILE = 16  # registers of bits that an iteration counts: 4 positions, 16 outputs
BITS = 128  # of a register
ITERATIONS = 1000


def output(*command, text=None):
    """Output of a command."""
    environment = {**os.environ, "MACHINE": "aarch64"}
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    ).stdout


def assembly_of(name):
    """Assembly of an instruction set's file."""
    compiler = os.environ.get("CXX", "aarch64-linux-gnu-g++").split()
    flags = output("bash", "-euc", f"source scripts/compiler.sh; flags_of common engine {name}.cc").split()
    return output(*compiler, *flags, "-S", f"src/engine/native/isa/{name}.cc", "-o", "-")


def loops_of(assembly):
    """Inner loops that count the bits of a whole tile, each a list of instructions, the shortest first."""
    found, label, body = [], None, []
    for line in assembly.splitlines():
        if match := re.match(r"(\.L\w+):", line):
            label, body = match[1], []
        elif re.match(r"\t[a-z]", line):
            body.append(line.strip())
            if re.match(r"\t(b|cb|tb|ret)", line):
                if line.split()[-1] == label and sum(each.startswith("cnt") for each in body) == TILE:
                    found.append(body)
                label, body = None, []
    return sorted(found, key=len)


def cycles_of(loop, processor):
    """Cycles of one iteration in the model of a processor, many in a row."""
    command = (os.environ.get("LLVM_MCA", "llvm-mca"), "-mtriple=aarch64", f"-mcpu={processor}")
    report = output(*command, "-mattr=+dotprod", f"-iterations={ITERATIONS}", text="\n".join(loop[:-1]))
    return int(re.search(r"Total Cycles: +(\d+)", report)[1]) / ITERATIONS


def main():
    """Print a line for each instruction set and length of a loop."""
    macs = TILE * BITS
    for name in ("neon", "neon_dot"):
        for loop in {len(loop): loop for loop in loops_of(assembly_of(name))}.values():
            print(f"{name}: {len(loop)} instructions, {macs} MACs, {len(loop) / macs:.4f} per MAC", end="")
            for processor in PROCESSORS:
                print(f"; {processor}: {macs / cycles_of(loop, processor):.0f} MACs per cycle", end="")
            print()


if __name__ == "__main__":
    main()
