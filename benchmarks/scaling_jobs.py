"""The jobs of scaling.py: counted networks, measured CPUs, assumed accelerators and links."""

import dataclasses
import math

from scaling_model import Fabric, Job, Link

# name -> trained numbers, their tensors, norms, their channels in all (by create_model; tests/paper/test_scaling.py holds
# them to it), multiply-accumulates of an image (by src.commands.cost)
NETWORKS = {
    "bimlp_t": (1_699_588, 547, 85, 13_048, 5_570_560),
    "bimlp_s": (15_783_292, 1062, 165, 55_968, 2_361_765_888),
    "bimlp_m": (29_575_308, 1886, 293, 107_808, 4_429_307_904),
}
FIGURES = 3  # numbers of a step that travel with the gradients: loss, hits, wishes to stop
RESNET34 = 3_663_761_408  # multiply-accumulates, by src.commands.cost
PEAK = 256e12  # operations per second of an Ascend 910 in fp16
ACHIEVED = 0.05  # share of it: assumed
FIXED = 0.010  # seconds of a batch that do not depend on its images: assumed
# images per second on a CPU of 2 cores, docs/performance.md, section 1: step of bimlp_s binary_act, forward of its teacher
CPU_STEP, CPU_FORWARD, CPU_BATCH = 7.03, 22.3, 8
CPU_FIXED = 0.16  # seconds of a batch however small, from batches of 1 and 8: docs/scaling.md
DECODED, CORES = 368 / 2, 8  # images per second and core, docs/performance.md, section 4; cores per device
TEN, HUNDRED, HCCS = Link(30e-6, 1.25e9), Link(5e-6, 12.5e9), Link(2e-6, 30e9)
LINKS = {
    "10 GbE": Fabric(TEN),
    "100 Gb/s RoCE": Fabric(HUNDRED),
    "HCCS in hosts of 8, 100 Gb/s RoCE": Fabric(HUNDRED, HCCS, 8),
}
SIZES = (8, 64, 512)
EPOCHS, BATCH = 300, 1024  # default of this project; the paper's


def links(options):
    """LINKS, and the one of the command line."""
    if options.gigabytes_per_second is None:
        return LINKS
    link = Link(1e-6 * options.latency_us, 1e9 * options.gigabytes_per_second)
    return {**LINKS, "yours": Fabric(link)}


def operations(options):
    """Floating-point operations of one image in a training step: the student's three times, the teacher's once."""
    student = NETWORKS[options.model][-1]
    return 2 * (3 * student + (student if options.stage == "step1" else RESNET34))


def accelerators(options, devices, fabric, images=None):
    """The job on accelerators; images per device and step, by default the total batch's share."""
    trained, _, norms, channels, _ = NETWORKS[options.model]
    fixed = 1e-3 * options.fixed_ms
    seconds = operations(options) / (ACHIEVED * PEAK)
    if options.step_seconds is not None:
        seconds = (options.step_seconds - fixed) / options.largest
    return Job(
        devices, images or options.batch / devices, fabric, 4.0 * (trained + FIGURES), fixed, seconds, options.largest,
        backward=student_backward(options), buckets=options.buckets, overlap=options.overlap, jitter=options.jitter,
        input=options.decode, buffers=2 * 4 * channels, norms=(norms, 4 * channels) if options.sync_bn else (0, 0),
    )  # fmt: skip


def processors(options, devices):
    """The job in step 1 on CPUs like the measured one, a flat ring of 10 GbE."""
    seconds = 1 / CPU_STEP + 1 / CPU_FORWARD - CPU_FIXED / CPU_BATCH
    job = accelerators(options, devices, LINKS["10 GbE"])
    return dataclasses.replace(job, fixed=CPU_FIXED, per_image=seconds, largest=CPU_BATCH, input=math.inf)


def student_backward(options):
    """The backward pass's share of a batch: twice the student's forward pass."""
    return 4 * NETWORKS[options.model][-1] / operations(options)
