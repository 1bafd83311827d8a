"""The tables of scaling.py, which docs/scaling.md shows."""

import argparse
import dataclasses
import math

import scaling_jobs as jobs
import scaling_model as model

from src.common.markdown import markdown_table


def tables(options):
    """Title -> Markdown table."""
    return {
        "Gradients": gradients(),
        "Efficiency": speeds(options),
        "Where a step's time goes (100 Gb/s RoCE)": causes(options),
        "All-reduces per step (100 Gb/s RoCE), total batch": fusion(options),
        "Larger total batches": larger(options),
        "Synchronized norms, total batch": synchronized(options),
        "Failures (100 Gb/s RoCE), total batch": failures(options),
        "Input": inputs(options),
    }


def gradients():
    rows = []
    for name, (trained, tensors, *_) in jobs.NETWORKS.items():
        sent = (f"{1e-6 * model.volume(4 * trained, n):.1f}" for n in jobs.SIZES)
        rows.append((name, f"{trained:,}", f"{tensors:,}", f"{4e-6 * trained:.1f}", *sent))
    sizes = (f"MB sent, {n} devices" for n in jobs.SIZES)
    header = ("network", "trained numbers", "tensors", "MB per step", *sizes)
    return markdown_table(header, rows, ("network",))


def speeds(options):
    rated = [
        (name, jobs.accelerators(options, n, fabric))
        for name, fabric in jobs.links(options).items()
        for n in jobs.SIZES
    ]
    if measured(options):
        rated += [("CPUs of 2 cores, 10 GbE", jobs.processors(options, n)) for n in jobs.SIZES]
    rows = []
    for name, job in rated:
        count, images = job.batches
        step = model.simulate(job, options.steps, options.seed)
        reduced = job.buckets * model.bucket_seconds(job) + count * model.norm_seconds(job)
        speed = job.devices * job.images / step
        hours = jobs.EPOCHS * job.steps_per_epoch * step / 3600
        rows.append((
            name, str(job.devices), f"{count} x {images:g}", ms(count * job.batch_seconds), ms(reduced), ms(model.closed_form(job)),
            ms(step), f"{speed:,.0f}", percent(model.efficiency(job, step)), f"{hours:,.1f}",
        ))  # fmt: skip
    header = (
        "link", "devices", "batches", "compute, ms", "all-reduce, ms", "formula, ms", "step, ms", "images/s", "efficiency",
        f"hours, {jobs.EPOCHS} epochs",
    )  # fmt: skip
    return markdown_table(header, rows, ("link",))


def causes(options):
    """Shares of a step, each cause added to the ones before it; and efficiency with failures."""
    rows = []
    for label, images in (("total", None), ("per device", options.largest)):
        for n in jobs.SIZES:
            job = jobs.accelerators(options, n, jobs.LINKS["100 Gb/s RoCE"], images)
            nothing = model.Fabric(model.Link(0.0, math.inf))
            free = dataclasses.replace(job, jitter=0, input=math.inf, fabric=nothing)
            changes = {"jitter": job.jitter}, {"fabric": job.fabric}, {"input": job.input}
            times = [job.images * (job.per_image + job.fixed / job.largest), model.closed_form(free)]
            for change in changes:
                free = dataclasses.replace(free, **change)
                times.append(model.simulate(free, options.steps, options.seed))
            step = times[-1]
            added = [times[0], *(after - before for before, after in zip(times, times[1:]))]
            kept, _ = best_share(options, n)
            batch = f"{options.batch:,} in all" if label == "total" else f"{images} per device"
            rows.append((batch, str(n), *(percent(part / step) for part in added), percent(1 - kept)))
    header = (
        "batch", "devices", "full batches", "small batches", "stragglers", "all-reduce", "input", "then lost to failures",
    )  # fmt: skip
    return markdown_table(header, rows, ("batch",))


def fusion(options):
    """Milliseconds per step for several numbers of equal buckets."""
    each = jobs.NETWORKS[options.model][1]
    rows = []
    for n in jobs.SIZES:
        job = jobs.accelerators(options, n, jobs.LINKS["100 Gb/s RoCE"])
        varied = [
            dataclasses.replace(job, buckets=buckets, overlap=overlap)
            for buckets, overlap in ((each, 0), (1, 0), (4, 1), (16, 1))
        ]
        rows.append((str(n), *(ms(model.simulate(one, options.steps, options.seed)) for one in varied)))
    return markdown_table(
        ("devices", f"{each:,}, ms", "1, ms", "4 overlapped, ms", "16 overlapped, ms"), rows
    )


def larger(options):
    """Efficiency where a device takes K of the largest batches per step and all-reduce."""
    counts = (1, 4, 16)
    rows = []
    for name in ("10 GbE", "100 Gb/s RoCE"):
        for n in jobs.SIZES:
            found = []
            for count in counts:
                job = jobs.accelerators(options, n, jobs.LINKS[name], count * options.largest)
                share = model.efficiency(job, model.simulate(job, options.steps, options.seed))
                found += [f"{n * count * options.largest:,}", percent(share)]
            rows.append((name, str(n), *found))
    header = (text for count in counts for text in (f"K = {count}: total batch", "efficiency"))
    return markdown_table(("link", "devices", *header), rows, ("link",))


def synchronized(options):
    """Milliseconds that synchronized norms add to a batch, and the efficiency with them, by link and algorithm."""
    options = argparse.Namespace(**{**vars(options), "sync_bn": True})
    hundred = jobs.LINKS["100 Gb/s RoCE"]
    fabrics = {
        **jobs.LINKS,
        "100 Gb/s RoCE, halving and doubling": dataclasses.replace(hundred, doubling=True),
    }
    rows = []
    for name, fabric in fabrics.items():
        found = []
        for n in jobs.SIZES:
            job = jobs.accelerators(options, n, fabric)
            share = model.efficiency(job, model.simulate(job, options.steps, options.seed))
            found += [ms(model.norm_seconds(job)), percent(share)]
        rows.append((name, *found))
    header = (text for n in jobs.SIZES for text in (f"{n} devices: ms per batch", "efficiency"))
    return markdown_table(("link", *header), rows, ("link",))


def best_share(options, devices):
    """(useful share of time at Young's interval, that interval in seconds)."""
    mtbf = 3600 * options.mtbf_hours / devices
    interval = model.best_interval(options.write_seconds, mtbf)
    return model.useful_share(interval, options.write_seconds, options.restart_seconds, mtbf), interval


def failures(options):
    """The loop saves every epoch: more often than the best interval where an epoch is shorter."""
    rated = [("accelerators", jobs.accelerators(options, n, jobs.LINKS["100 Gb/s RoCE"])) for n in jobs.SIZES]
    if measured(options):
        rated += [("CPUs of 2 cores", jobs.processors(options, jobs.SIZES[0]))]
    rows = []
    for name, job in rated:
        step = model.simulate(job, options.steps, options.seed)
        kept, interval = best_share(options, job.devices)
        epoch, mtbf = step * job.steps_per_epoch, 3600 * options.mtbf_hours / job.devices
        per_epoch = model.useful_share(epoch, options.write_seconds, options.restart_seconds, mtbf)
        every = f"{interval / step:,.0f}" if interval < epoch else "0"
        rows.append((
            name, str(job.devices), f"{mtbf / 3600:,.0f}", f"{interval / 60:.0f}", percent(kept, 2), f"{epoch / 60:.1f}",
            percent(per_epoch, 2), every,
        ))  # fmt: skip
    header = (
        "devices are", "devices", "hours between failures", "best interval, min", "useful", "an epoch, min",
        "useful, saving per epoch", "`checkpoint.every_steps`",
    )  # fmt: skip
    return markdown_table(header, rows, ("devices are",))


def inputs(options):
    job = jobs.accelerators(options, 8, jobs.LINKS["100 Gb/s RoCE"])
    need = 1 / (job.per_image + job.fixed / job.largest)
    cores = need / jobs.DECODED
    row = f"{need:,.0f}", f"{options.decode:,.0f}", f"{cores:.1f}", f"{8 * cores:.0f}"
    return markdown_table(("a device takes, images/s", "is given", "cores it takes", "a host of 8"), [row])


def measured(options):
    """True for the settings at which CPUs were measured."""
    return (options.model, options.stage) == ("bimlp_s", "step1")


def ms(seconds):
    return f"{1e3 * seconds:,.1f}"


def percent(share, digits=1):
    return f"{100 * share + 0.0:.{digits}f} %"
