"""The engine's benchmark as a table for readers and as one object for programs."""

import datetime
import os

from report import machine, processor

ENGINE = "engine"
MINDSPORE_KEYS = {"its operations": "mindspore", "our operators": "mindspore_fused"}


def summary(found):
    """Milliseconds of one image on one thread by the names of the networks, and everything that was measured.

    Of a network that ONNX Runtime and OpenVINO both ran in fp32 the better time. The binary network's is that of the
    engine's own choice of instruction set.
    """
    suite, result = found["suite"], {}
    for row in single(found):
        if row["runtime"] == ENGINE:
            result[f"{row['instruction_set']}_ms"] = row["ms"]["median"]
            if row["instruction_set"] == found["chosen"]:
                result[f"{suite.ours}_ms"] = row["ms"]["median"]
        elif row["runtime"] == "mindspore":
            result[f"{MINDSPORE_KEYS[row['instruction_set']]}_ms"] = row["ms"]["median"]
        elif row["runtime"] == "onnxruntime" and row["network"] in (suite.ours, suite.baseline):
            result[f"ort_{row['network']}_ms"] = row["ms"]["median"]
    for key, network in suite.others.items():
        times = [
            row["ms"]["median"]
            for row in single(found)
            if row["network"] == network and row["precision"] == "f32"
        ]
        if times:
            result[f"{key}_ms"] = min(times)
    result["bound_ms"] = bound(found)
    rest = ("chosen", "missing", "files", "peaks", "shares", "rows", "versions")
    return {
        **result,
        **{key: found[key] for key in rest if key in found},
        "image_size": suite.image_size,
        "machine": machine(),
        "date": today(),
    }


def single(found):
    """The rows of one image on one thread."""
    return [row for row in found["rows"] if row["threads"] == row["batch"] == 1]


def bound(found):
    """Milliseconds of one image at the processor's limits on one thread, binary and float work one after the other."""
    macs, peaks = found["files"][found["suite"].ours], found["peaks"]
    binary, floats = (peaks[kind]["gmacs"]["median"] * 1e6 for kind in ("popcount", "fma"))
    return round(macs["binary_macs"] / binary + macs["float_macs"] / floats, 4)


def today():
    return datetime.date.today().isoformat()


def table(found):
    """Milliseconds per batch, median [quartiles], then the processor's limits and the engine's distance to them."""
    suite = found["suite"]
    lines = [
        f"{processor()}, {os.cpu_count()} cores, {today()}",
        "; ".join(dict.fromkeys(found["versions"].values())),
        f"images of {suite.image_size} x {suite.image_size}; the engine's own choice: {found.get('chosen', '-')}",
        "",
        f"{'runtime':<13}{'network':<18}{'instructions':<14}{'numbers':<9}{'threads':>7}{'batch':>6}{'ms':>10}  "
        f"{'[quartiles]':<20}{'images/s':>9}",
    ]
    for row in sorted(found["rows"], key=lambda row: (row["threads"], row["batch"])):
        ms = row["ms"]
        quartiles = f"[{ms['lower']:.4g}, {ms['upper']:.4g}]"
        lines.append(
            f"{row['runtime']:<13}{row['network']:<18}{row['instruction_set']:<14}{row['precision']:<9}"
            f"{row['threads']:>7}{row['batch']:>6}{ms['median']:>10.4g}  {quartiles:<20}"
            f"{1e3 * row['batch'] / ms['median']:>9.4g}{'' if row['quiet'] else '  (the machine was busy)'}"
        )
    return "\n".join([*lines, "", *limits(found), *shares(found)])


def limits(found):
    """Lines on the processor's limits and how far from them the engine is, one thread and one image."""
    macs, lines = found["files"][found["suite"].ours], []
    for kind, peak in found["peaks"].items():
        gmacs = peak["gmacs"]
        quartiles = f"[{gmacs['lower']:.0f}, {gmacs['upper']:.0f}]"
        busy = "" if peak["quiet"] else "  (the machine was busy)"
        lines.append(
            f"peak {kind:<9} {gmacs['median']:>6.0f} GMAC/s {quartiles} ({peak['by']}, 1 thread){busy}"
        )
    least = bound(found)
    lines.append(
        f"bound: {macs['binary_macs']:,} binary MACs at peak popcount + {macs['float_macs']:,} float MACs at peak fma: "
        f"{least:.4g} ms"
    )
    for row in single(found):
        if row["runtime"] == ENGINE:
            ratio = row["ms"]["median"] / least
            lines.append(
                f"{ENGINE}, {row['instruction_set']}, 1 thread, batch 1: {ratio:.2f} times the bound"
            )
    return lines


def shares(found):
    """A line per instruction set: kinds of layers and their shares of the time."""
    lines = []
    for name, seconds in found["shares"].items():
        total = sum(seconds.values())
        each = sorted(seconds.items(), key=lambda item: -item[1])
        parts = ", ".join(f"{kind} {share / total:.0%}" for kind, share in each)
        lines.append(f"time of {name}, 1 thread, batch 1: {parts}")
    return lines
