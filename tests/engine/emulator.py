"""Engine for another machine, in an emulator, in the place of this machine's: scripts/run_arm.sh sets what this reads.

BIMLP_EMULATOR is the command that runs a program of that machine, BIMLP_BUILD a folder of scripts/build_engine.sh for it
with library_server.cc as a program, and CXX the compiler for it.
"""

import ctypes
import os
import platform
import shlex
import subprocess
from pathlib import Path

from src.common.compile import compiler
from src.engine import library

EMULATOR = shlex.split(os.environ.get("BIMLP_EMULATOR", ""))
SETTINGS = ("BIMLP_INSTRUCTION_SET", "BIMLP_PLAN")  # that the engine reads when it opens a file
POINTER = 8  # bytes of the longest
NUMBERS = (ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p)  # types that are handed over as they are
WIDTHS = {"bimlp_run_pixels": 1, "bimlp_run_numbers": 4, "bimlp_profile": 4}  # bytes of an image's number


def machine():
    """Name of the machine that runs the engine, as uname -m has it there."""
    if not EMULATOR:
        return platform.machine()
    command = [*compiler(), "-dumpmachine"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("-")[0]


def emulated_build():
    """The folder of the emulated engine."""
    return Path(os.environ["BIMLP_BUILD"])


def emulate():
    """Let src.engine be the emulated engine; nothing without an emulator."""
    if EMULATOR:
        library.load = lambda: Emulated(emulated_build())


class Emulated:
    """Library of the engine, as a ctypes.CDLL, in a process that runs library_server.cc. For one thread."""

    def __init__(self, folder):
        command = [*EMULATOR, folder / "library_server", folder / "libbimlp.so"]
        self.server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.closed = []  # engines; the collector of garbage may close one in the midst of a request
        for name in library.FUNCTIONS:
            setattr(self, name, Function(self, name))

    def __call__(self, name, *numbers):
        """Result of a function of integers and pointers, as an unsigned integer."""
        self.request(name, *numbers)
        line = self.server.stdout.readline()
        if not line:
            raise RuntimeError(f"the emulated engine ended with {self.server.wait()}")
        return int(line)

    def request(self, name, *numbers, data=b""):
        """Send a line and bytes."""
        line = " ".join([name, *(str(number % 2**64) for number in numbers)])
        self.server.stdin.write(line.encode() + b"\n" + data)
        self.server.stdin.flush()

    def get(self, address, size):
        """Bytes of memory there."""
        self.request("get", address, size)
        return self.server.stdout.read(size)

    def put(self, data, shift=0):
        """Address of new memory there, and `shift` bytes behind it these bytes."""
        address = self("malloc", shift + len(data) + 1)  # of 0 bytes it may be null
        self.request("put", address + shift, len(data), data=data)
        return address

    def text(self, address):
        """Bytes there up to a zero."""
        return self.get(address, self("strlen", address))

    def take_settings(self):
        """Give the process the environment variables of this one."""
        for name in SETTINGS:
            texts = [self.put(text.encode() + b"\0") for text in (name, os.environ.get(name, ""))]
            self("setenv", *texts, 1)
            for text in texts:
                self("free", text)


class Function:
    """Function of an Emulated. Its pointers lead to copies, of which the last one comes back."""

    def __init__(self, there, name):
        self.there, self.name = there, name
        self.restype, self.argtypes = None, ()

    def __call__(self, *arguments):
        if self.name == "bimlp_close":
            self.there.closed.append(number(*arguments))
            return None
        while self.there.closed:
            self.there("bimlp_close", self.there.closed.pop())
        if self.name.startswith("bimlp_open"):
            self.there.take_settings()
        words, copies, sizes = [], [], iter(self.sizes(*arguments))
        for kind, argument in zip(self.argtypes, arguments):
            if kind in NUMBERS:
                words.append(number(argument))
            else:
                copies.append(Copy(self.there, argument, next(sizes)))
                words.append(copies[-1].address)
        result = self.there(self.name, *words)
        for copy in copies:
            copy.end(back=copy is copies[-1])
        return self.there.text(result) if self.restype is ctypes.c_char_p else ctypes.c_int(result).value

    def sizes(self, *arguments):
        """Bytes to which each pointer leads."""
        if self.name == "bimlp_open":
            return len(arguments[0] or b"") + 1, POINTER
        if self.name == "bimlp_open_bytes":
            return arguments[1], POINTER
        if self.name not in WIDTHS:
            return ()
        engine, count = number(arguments[0]), max(arguments[2], 0)
        facts = ("bimlp_image_size", "bimlp_classes")
        size, classes = (self.there(name, engine) if engine else 0 for name in facts)
        results = 4 * classes * count
        if self.name == "bimlp_profile":
            results = 8 * (1 + self.there.bimlp_op_kinds().count(b"\n"))
        return WIDTHS[self.name] * count * 3 * size**2, results


class Copy:
    """Bytes behind a pointer, copied so that they lie as here in a word; nothing for null."""

    def __init__(self, there, pointer, size):
        self.there, self.here, self.size = there, ctypes.cast(pointer, ctypes.c_void_p).value, size
        self.memory = self.address = 0
        if self.here is not None:
            shift = self.here % POINTER
            self.memory = there.put(ctypes.string_at(self.here, size), shift)
            self.address = self.memory + shift

    def end(self, back):
        """Free the copy; `back`: copy it back before."""
        if back and self.here is not None:
            ctypes.memmove(self.here, self.there.get(self.address, self.size), self.size)
        self.there("free", self.memory)


def number(argument):
    """Integer of an integer, an engine as ctypes takes it, or None."""
    argument = getattr(argument, "_as_parameter_", argument)
    return getattr(argument, "value", argument) or 0
