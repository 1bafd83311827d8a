"""Damage checkpoints, other programs' weights and packed files at random, read them, and say as JSON what came of it: damaged_files.py COUNT FOLDER.

A process of its own: while files are read, its audit hook counts whatever runs code, starts a program, loads a library,
connects or writes, and its memory is bounded.
"""

import collections
import io
import json
import pickle
import random
import resource
import sys
import zipfile
from pathlib import Path

import mindspore as ms
import numpy as np
import safetensors.numpy

from src.checkpoint.file import CRC_BYTES, read_checkpoint, save_checkpoint
from src.checkpoint.foreign.reading import read_foreign
from src.common.errors import InputError
from src.deploy.packed_file import decode
from tests.checkpoint.torch_files import FORMS, tensors_of
from tests.graph.packed_faults import WHOLE

MORE_MEMORY = 256 << 20  # than the process takes before
# audit events that begin as one of these: nothing that a file can ask for
SUSPECT = (
    "exec", "compile", "import", "marshal.", "pickle.", "subprocess.", "os.", "ctypes.", "socket.", "shutil.", "code.__new__",
    "function.__new__", "sys._getframe", "builtins.",
)  # fmt: skip
HARMLESS = {"builtins.id"}
events = None  # a Counter while files are read


def watch(event, arguments):
    if events is None:
        return
    writes = event == "open" and (set(str(arguments[1])) & set("wax+") or (arguments[2] or 0) & 3)
    if writes or (event.startswith(SUSPECT) and event not in HARMLESS):
        events[f"{event} {str(arguments)[:200]}"] += 1


class Evil:
    """Its pickle runs a command."""

    def __reduce__(self):
        return (Path("executed").touch, ())


def arrays():
    generator = np.random.default_rng(0)
    return {
        "step": np.array(7, np.int64),
        "body.weight": generator.standard_normal((8, 4)).astype(np.float32),
        "body.bias": generator.standard_normal(8).astype(np.float16),
        "mask": np.array([True, False]),
    }


def originals(folder):
    """File name -> bytes, as they are written here and by others."""
    tensors = {name: ms.Tensor(array) for name, array in arrays().items()}
    save_checkpoint(folder / "ours.ckpt", tensors)
    ms.save_checkpoint([{"name": k, "data": v} for k, v in tensors.items()], str(folder / "theirs.ckpt"))
    safetensors.numpy.save_file(arrays(), folder / "other.safetensors")
    np.savez(folder / "arrays.npz", **arrays())
    for form, write in FORMS.items():
        mapping, storages = tensors_of(arrays())
        (folder / f"{form}.pth").write_bytes(write({"state_dict": mapping, "epoch": 3}, storages))
    (folder / "small.packed").write_bytes(WHOLE)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def foreign():
    """Files of formats that can hold code, and others."""
    evil = pickle.dumps({"weight": Evil()})
    archive, array, many = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", evil)
    np.save(array, np.array([Evil()], object))
    np.savez(many, a=np.zeros(3))
    script = b"import os; os.system('touch executed')\n"
    return [
        evil,
        archive.getvalue(),
        array.getvalue(),
        many.getvalue(),
        script,
        b"\x7fELF" + bytes(60),
        b"{}",
        bytes(100),
    ]


# damage to a file's (head, run, rest), with a source of chance
DAMAGES = (
    lambda head, run, rest, chance: head,
    lambda head, run, rest, chance: (
        head + bytes(b ^ 1 << chance.randrange(8) for b in run[:1]) + run[1:] + rest
    ),
    lambda head, run, rest, chance: head + chance.randbytes(len(run)) + rest,
    lambda head, run, rest, chance: head + chance.choice((b"\0", b"\xff")) * len(run) + rest,
    lambda head, run, rest, chance: head + chance.randbytes(chance.randrange(64)) + run + rest,
    lambda head, run, rest, chance: head + run + run + rest,
    lambda head, run, rest, chance: head + rest,
    lambda head, run, rest, chance: rest + run + head,
)


def damaged(data, chance):
    """`data` with one to three damages, or as it is where they undo each other."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        start, length = chance.randrange(len(data) + 1), chance.choice((1, 2, 8, chance.randrange(64)))
        if chance.random() < 0.2:
            start = max(0, len(data) - chance.randrange(CRC_BYTES + 8))  # where the checksum stands
        end = start + length
        data = chance.choice(DAMAGES)(data[:start], data[start:end], data[end:], chance)
    return data


def outcome(read, path):
    """ "read", or "refused" by an error that is one line and names the file; anything else is raised."""
    try:
        read()
    except InputError as error:
        if str(path) not in str(error) or "\n" in str(error) or len(str(error)) > 1000:
            raise ValueError(f"an odd message: {error}") from error
        return "refused"
    return "read"


def outcomes(path, data):
    """Outcome of reading, by reader."""
    if path.suffix in (".pth", ".npz"):
        return {"foreign": outcome(lambda: read_foreign(path), path)}
    if path.suffix == ".packed":
        return {"decode": outcome(lambda: decode(data, path), path)}
    return {
        name: outcome(lambda c=checked: read_checkpoint(path, checked=c), path)
        for name, checked in (("checked", True), ("plain", False))
    }


def main(count, folder):
    global events
    chance, wholes, counts, wrong = random.Random(0), originals(folder), collections.Counter(), []
    target = folder / "damaged"
    target.mkdir()
    for name in wholes:  # imports at the first use are no file's doing
        for data in (wholes[name], b"x", foreign()[1]):
            (target / name).write_bytes(data)
            outcomes(target / name, data)
    found = collections.Counter()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MORE_MEMORY, limits[1]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.addaudithook(watch)
    cases = [(name, data) for name in wholes for data in foreign()]
    cases += [(name, damaged(wholes[name], chance)) for name in wholes for _ in range(count)]
    for name, data in cases:
        if data == wholes[name]:
            continue
        path = target / name
        path.write_bytes(data)
        events = found
        try:
            said = outcomes(path, data)
        except BaseException as error:
            said = {}
            wrong.append(f"{name}: {type(error).__name__}: {error}")
        events = None
        counts.update(f"{name} {reader} {each}" for reader, each in said.items())
        whole = name == "ours.ckpt" and data[-CRC_BYTES:].startswith(b"crc_num")
        if "read" in (said.get("checked"), said.get("decode"), whole and said.get("plain")):
            wrong.append(f"{name}: taken: {data[:40]} .. {data[-40:]}")
    resource.setrlimit(resource.RLIMIT_AS, limits)  # the framework starts threads to end
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        json.dumps(
            {"counts": counts, "wrong": wrong[:5], "events": found, "grown_kib": grown, "files": len(cases)}
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
