"""Settings of the process that loads the engine, a locale or a way to round, change nothing in it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.common.compile import compiler
from src.engine import Engine
from tests.engine.emulator import EMULATOR
from tests.engine.left_out import OF_PYTHON

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def comma(tmp_path_factory):
    """A LOCPATH with glibc's file of a locale "comma", made by hand: it has a decimal comma, points between thousands."""
    fields = [
        b",\0",
        b".\0",
        b"\3\3\0\0",
        struct.pack("<I", ord(",")),
        struct.pack("<I", ord(".")),
        b"UTF-8\0",
    ]
    offsets = np.cumsum([8 + 4 * len(fields), *map(len, fields[:-1])])
    folder = tmp_path_factory.mktemp("locales")
    (folder / "comma").mkdir()
    data = struct.pack(f"<II{len(fields)}I", 0x20031115 ^ 1, len(fields), *offsets) + b"".join(fields)
    (folder / "comma" / "LC_NUMERIC").write_bytes(data)
    return folder


def lines_of(command, comma):
    """The lines that a process with the locale prints, behind the first, by which it shows that it has the locale."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "LOCPATH": str(comma)},
        capture_output=True,
        text=True,
        check=True,
    )
    first, *rest = done.stdout.splitlines()
    if first != "0,5":
        pytest.skip("this C library takes no locale from LOCPATH")
    return rest


@OF_PYTHON
def test_a_process_with_a_decimal_comma_in_python(comma, packed):
    code = (
        "import ctypes, json, locale, sys\n"
        "locale.setlocale(locale.LC_NUMERIC, 'comma')\n"
        "print(locale.str(0.5))\n"
        "from src.engine import Engine\n"
        "print(json.dumps(Engine.load(sys.argv[1]).description))"
    )
    [line] = lines_of([sys.executable, "-c", code, packed().path], comma)
    with Engine.load(packed().path) as engine:
        assert json.loads(line) == engine.description
    assert tuple(engine.description["mean"]) == packed().description.mean


@pytest.fixture(scope="module")
def host(engine_build, tmp_path_factory):
    """Path of host_program.cc as a program."""
    path = tmp_path_factory.mktemp("host") / "host"
    paths = [f"-I{ROOT / 'src/engine/native'}", f"-L{engine_build}", "-lbimlp", f"-Wl,-rpath,{engine_build}"]
    source = ROOT / "tests" / "engine" / "host_program.cc"
    subprocess.run([*compiler(), "-std=c++17", source, *paths, "-pthread", "-o", path], check=True)
    return path


def test_a_program_with_a_locale_and_a_way_to_round_of_its_own(instruction_set, comma, packed, host):
    description, *both = lines_of([*EMULATOR, host, packed().path, "comma"], comma)
    size = packed().description.image_size
    with Engine.load(packed().path, threads=2) as engine:
        assert json.loads(description) == engine.description
        logits = engine.logits(np.zeros((1, size, size, 3), np.uint8))
    expected = logits.view(np.uint32)[0].tolist()
    assert [[int(word, 16) for word in bits.split()] for bits in both] == [expected, expected]
