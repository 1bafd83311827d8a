"""A model of data-parallel training: compute, all-reduce, input and failures; seconds, bytes, images.

`closed_form` is the formula for equal devices without overlap, `simulate` plays steps with stragglers, overlap and
an input pipeline; where both hold they agree (tests/paper/test_scaling.py).
"""

import dataclasses
import math

import numpy as np

TRAINING_IMAGES = 1_281_167  # ImageNet-1k
TINY = 8  # bytes of loss and hits


@dataclasses.dataclass(frozen=True)
class Link:
    """What one device sends over: latency of a message in seconds, nominal bytes per second."""

    latency: float
    bandwidth: float


@dataclasses.dataclass(frozen=True)
class Fabric:
    """outer: between hosts; inner: between the `host` devices of one host, or None where a flat ring uses outer alone."""

    outer: Link
    inner: Link | None = None
    host: int = 1


@dataclasses.dataclass(frozen=True)
class Job:
    """One training job.

    images: per device and optimizer step, in equal batches of at most `largest`; a batch takes fixed + images * per_image
    seconds, a share `backward` of it after the first gradient is there. payload: bytes of gradients, reduced in `buckets`
    equal pieces, which may hide behind the last batch's backward pass when `overlap` is 1 (0: none does). jitter:
    deviation of a batch's time over its mean, log-normal. input: images per second that a device is given.
    buffers: (tensors, bytes) averaged one by one at the end of an epoch.
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
    buffers: tuple = (0, 0)

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


def ring(payload, devices, link):
    """Seconds of a ring all-reduce: 2 (n - 1) messages of payload / n."""
    return 2 * (devices - 1) * (link.latency + payload / devices / link.bandwidth)


def allreduce(payload, devices, fabric):
    """Seconds: a flat ring, or reduce-scatter in each host, rings between the hosts, gather in each host."""
    if fabric.inner is None:
        return ring(payload, devices, fabric.outer)
    if devices <= fabric.host:
        return ring(payload, devices, fabric.inner)
    if devices % fabric.host:
        raise ValueError(f"devices: expected a multiple of {fabric.host}, got {devices}")
    inside = ring(payload, fabric.host, fabric.inner)
    return inside + ring(payload / fabric.host, devices // fabric.host, fabric.outer)


def bucket_seconds(job):
    return allreduce(job.payload / job.buckets, job.devices, job.fabric)


def epoch_seconds(job):
    """Seconds at the end of an epoch: every buffer's all-reduce."""
    tensors, size = job.buffers
    return tensors * allreduce(size / tensors, job.devices, job.fabric) if tensors else 0.0


# --- a step ---


def closed_form(job):
    """Seconds per step of equal devices, nothing overlapped, an input that is never waited for."""
    reduced = job.buckets * bucket_seconds(job) + allreduce(TINY, job.devices, job.fabric)
    return job.batches[0] * job.batch_seconds + reduced + epoch_seconds(job) / job.steps_per_epoch


def simulate(job, steps, seed):
    """Mean seconds per step over `steps`, after a first one that is not counted."""
    generator = np.random.default_rng([seed, job.devices])
    count, _ = job.batches
    reduced, tiny = bucket_seconds(job), allreduce(TINY, job.devices, job.fabric)
    waiting = 1 - np.arange(1, job.buckets + 1) / job.buckets  # share of the backward pass after each bucket
    if not job.overlap:  # all are ready at once: as quick as one of their sum
        waiting, reduced = waiting[-1:], job.buckets * reduced
    sigma = math.sqrt(math.log1p(job.jitter**2))  # of a log-normal with mean 1 and this deviation
    end = first = 0.0
    for step in range(steps + 1):
        start = max(end, step * job.images / job.input)
        drawn = np.exp(sigma * generator.standard_normal((job.devices, count)) - sigma**2 / 2)
        seconds = job.batch_seconds * drawn
        finished = start + seconds.sum(1)
        hideable = job.overlap * job.backward * seconds[:, -1]
        end = start
        for after in waiting:  # one bucket after the other, each when the last device has its gradients
            end = max(end, (finished - after * hideable).max()) + reduced
        end += tiny
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


def simulate_failures(interval, write, restart, mtbf, failures, seed):
    """The same by playing so many failures: a restart, then work and checkpoints until the next one."""
    between = np.random.default_rng(seed).exponential(mtbf, failures)
    kept = np.floor(np.maximum(between - restart, 0) / (interval + write))
    return interval * kept.sum() / between.sum()
