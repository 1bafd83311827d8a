"""A model of data-parallel training: compute, all-reduce, input and failures; seconds, bytes, images.

`closed_form` is the formula for equal devices without overlap, `simulate` plays steps with stragglers, overlap and
an input pipeline; where both hold they agree (tests/paper/test_scaling.py).
"""

import dataclasses
import math

import numpy as np

TRAINING_IMAGES = 1_281_167  # ImageNet-1k
PER_NORM = 4  # all-reduces of a batch with model.sync_bn: two forward, two in the gradient


@dataclasses.dataclass(frozen=True)
class Link:
    """Link of one device: latency of a message in seconds, nominal bytes per second."""

    latency: float
    bandwidth: float


@dataclasses.dataclass(frozen=True)
class Fabric:
    """outer: between hosts; inner: between the `host` devices of one host, or None where all meet over outer alone.
    doubling: recursive halving and doubling, which takes fewer messages than a ring for the same bytes."""

    outer: Link
    inner: Link | None = None
    host: int = 1
    doubling: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
    """One training job.

    images: per device and optimizer step, in equal batches of at most `largest` (train.accumulate_steps is their number);
    a batch takes fixed + images * per_image seconds, a share `backward` of it after the first gradient is there. payload:
    bytes of figures and gradients, reduced in `buckets` equal pieces (the loop: one), which may hide behind the last
    batch's backward pass when `overlap` is 1 (the loop: 0, none does). jitter: deviation of a batch's time over its mean,
    log-normal. input: images per second that a device is given. buffers: bytes averaged at the end of an epoch.
    norms: those that synchronize their statistics, (number, bytes of one sum over all of them).
    """

    devices: int
    images: float
    fabric: Fabric
    payload: float
    fixed: float
    per_image: float
    largest: float = 128
    backward: float = 0.5
    buckets: int = 1
    overlap: float = 0.0
    jitter: float = 0.0
    input: float = math.inf
    buffers: float = 0.0
    norms: tuple = (0, 0)

    @property
    def batches(self):
        """(number of batches per step, images in each)."""
        count = max(1, math.ceil(self.images / self.largest))
        return count, self.images / count

    @property
    def batch_seconds(self):
        return self.fixed + self.batches[1] * self.per_image

    @property
    def steps_per_epoch(self):
        return TRAINING_IMAGES / (self.images * self.devices)


# --- communication ---


def volume(payload, devices):
    """Bytes that each device sends in a ring all-reduce."""
    return 2 * (devices - 1) / devices * payload


def flat(payload, devices, link, doubling=False):
    """Seconds of an all-reduce among equals: 2 (n - 1) messages in a ring, 2 log2(n) with halving and doubling."""
    messages = math.ceil(math.log2(devices)) if doubling else devices - 1
    return 2 * messages * link.latency + volume(payload, devices) / link.bandwidth


def allreduce(payload, devices, fabric):
    """Seconds: among equals, or reduce-scatter in each host, all-reduces between the hosts, gather in each host."""
    if fabric.inner is None:
        return flat(payload, devices, fabric.outer, fabric.doubling)
    if devices <= fabric.host:
        return flat(payload, devices, fabric.inner, fabric.doubling)
    if devices % fabric.host:
        raise ValueError(f"devices: expected a multiple of {fabric.host}, got {devices}")
    inside = flat(payload, fabric.host, fabric.inner, fabric.doubling)
    return inside + flat(payload / fabric.host, devices // fabric.host, fabric.outer, fabric.doubling)


def bucket_seconds(job):
    return allreduce(job.payload / job.buckets, job.devices, job.fabric)


def norm_seconds(job):
    """Seconds per batch that synchronized norms wait for their sums, nothing of which is hidden."""
    norms, size = job.norms
    return PER_NORM * norms * allreduce(size / norms, job.devices, job.fabric) if norms else 0.0


def epoch_seconds(job):
    """Seconds at the end of an epoch: all buffers as one tensor."""
    return allreduce(job.buffers, job.devices, job.fabric) if job.buffers else 0.0


# --- a step ---


def closed_form(job):
    """Seconds per step of equal devices, nothing overlapped, an input that is never waited for."""
    batches = job.batches[0] * (job.batch_seconds + norm_seconds(job))
    return batches + job.buckets * bucket_seconds(job) + epoch_seconds(job) / job.steps_per_epoch


def simulate(job, steps, seed):
    """Mean seconds per step over `steps`, after a first one that is not counted."""
    generator = np.random.default_rng([seed, job.devices])
    count, _ = job.batches
    reduced, between = bucket_seconds(job), count * norm_seconds(job)
    waiting = 1 - np.arange(1, job.buckets + 1) / job.buckets  # share of the backward pass after each bucket
    if not job.overlap:  # all are ready at once: as quick as one of their sum
        waiting, reduced = waiting[-1:], job.buckets * reduced
    sigma = math.sqrt(math.log1p(job.jitter**2))  # of a log-normal with mean 1 and this deviation
    end = first = 0.0
    for step in range(steps + 1):
        start = max(end, step * job.images / job.input)
        drawn = np.exp(sigma * generator.standard_normal((job.devices, count)) - sigma**2 / 2)
        if job.norms[0]:  # all devices are at the same norm
            drawn = np.broadcast_to(drawn.max(0), drawn.shape)
        seconds = job.batch_seconds * drawn
        finished = start + between + seconds.sum(1)
        hideable = job.overlap * job.backward * seconds[:, -1]
        end = start
        for after in waiting:  # one bucket after the other, each when the last device has its gradients
            end = max(end, (finished - after * hideable).max()) + reduced
        first = first or end
    return (end - first) / steps + epoch_seconds(job) / job.steps_per_epoch


def efficiency(job, seconds):
    """Images per second and device, over those of one device alone with full batches."""
    best = job.images * (job.per_image + job.fixed / job.largest)
    return best / seconds


# --- failures ---


def best_interval(write, mtbf):
    """Young's interval between checkpoints, seconds of work, for the job's mean time between failures."""
    return math.sqrt(2 * write * mtbf)


def useful_share(interval, write, restart, mtbf):
    """Daly's closed form: share of time in work that is kept, failures at random, also during restarts."""
    return interval / (mtbf * math.exp(restart / mtbf) * math.expm1((interval + write) / mtbf))
