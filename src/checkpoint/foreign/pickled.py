"""Pickles as data: the few opcodes that checkpoints need, read without calling anything.

A pickle is a program for a stack machine that can name any function and call it. This reader knows no function: a
global is a name, looked up in a table, and stays one. REDUCE, the opcode that calls, gives for the names of tensors a
`View`, for those of containers the container, and for the others of the table an `Inert`. A name that is not in the
table ends the reading, whatever would have come of it.

Opcodes are those of protocols 2 to 4 that PyTorch writes (docs.python.org/3/library/pickletools.html). Memory is bounded
by the number of opcodes. Keys of mappings are texts and small ints: the hash of nested tuples takes exponential time, and
large ints can be chosen to have all the same hash.
"""

import struct

from src.checkpoint.foreign.torch_names import INERT_VALUE, Inert, Name, named, put, storage_of, value_of

MAX_BYTES = 1 << 24  # of one pickle; that of a network with 1,000 tensors and its optimizer takes 200 kB
MAX_OPCODES = 1 << 20
PROTOCOLS = range(2, 5)
MARK = object()


def read_pickle(data, start=0):
    """(value, end) of the pickle that begins at byte `start` of `data`.

    Values are None, bool, int, float, str, bytes, tuple, list, dict, View, Storage, Name and Inert.

    Raises:
        ValueError: another global, an unknown opcode, a program that contradicts itself, or more than the limits.
    """
    machine = _Machine(memoryview(data)[start : start + MAX_BYTES])
    return machine.run(), start + machine.place


class _Machine:
    """The stack, the memo and the place in the bytes."""

    def __init__(self, data):
        self.data, self.place, self.stack, self.memo = data, 0, [], {}

    def run(self):
        """The value on the stack at STOP."""
        for _ in range(MAX_OPCODES):
            opcode = self.take(1)[0]
            if opcode == ord("."):
                if len(self.stack) != 1:
                    raise ValueError(f"pickle: expected one value at its end, got {len(self.stack)}")
                return self.pop()
            if opcode not in OPCODES:
                raise ValueError(f"pickle: opcode 0x{opcode:02x} at byte {self.place - 1} is not read")
            OPCODES[opcode](self)
        raise ValueError(f"pickle: expected at most {MAX_OPCODES} opcodes")

    def take(self, count):
        """The next bytes."""
        if count > len(self.data) - self.place:
            raise ValueError(f"pickle: expected {count} more bytes at byte {self.place}, got its end")
        self.place += count
        return self.data[self.place - count : self.place]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self):
        """Bytes up to the end of the line, as text."""
        end = bytes(self.data[self.place : self.place + 256]).find(b"\n")
        if end < 0:
            raise ValueError(f"pickle: expected a name of at most 255 bytes at byte {self.place}")
        return str(self.take(end + 1)[:-1], "utf-8")

    def pop(self, kind=object):
        """The topmost value, of type `kind`."""
        if not self.stack or self.stack[-1] is MARK:
            raise ValueError(f"pickle: expected a value on the stack before byte {self.place}")
        if type(self.stack[-1]) is not kind and kind is not object:
            found = type(self.stack[-1]).__name__.lower()
            raise ValueError(
                f"pickle: expected {kind.__name__.lower()} before byte {self.place}, got {found}"
            )
        return self.stack.pop()

    def pop_to_mark(self):
        """The values above the topmost mark, as a list."""
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise ValueError(f"pickle: expected a mark before byte {self.place}")

    def push(self, value):
        self.stack.append(value)

    def remember(self, index):
        self.memo[index] = self.top()

    def recall(self, index):
        if index not in self.memo:
            raise ValueError(f"pickle: value {index} of the memo is not there")
        self.push(self.memo[index])

    def top(self):
        value = self.pop()
        self.push(value)
        return value

    def put_items(self, values):
        """Keys and values, one after the other, into the mapping on the stack; other objects take them as Inert."""
        if isinstance(self.top(), Inert):
            return
        self.push(put(self.pop(dict), values))

    def append(self, values):
        """Values to the end of the list on the stack."""
        if not isinstance(self.top(), Inert):
            self.push(self.pop(list))
            self.stack[-1] += values

    def build(self):
        """State of an object: that of tensors' mappings, which says versions of layers, is left out."""
        self.pop()
        if not isinstance(self.top(), (dict, Inert)):
            raise ValueError(f"pickle: expected no state of {type(self.top()).__name__}, byte {self.place}")

    def reduce(self):
        """Name and arguments: the value that they stand for."""
        arguments, name = self.pop(tuple), self.pop(Name).name
        self.push(value_of(name, arguments))

    def persistent(self):
        self.push(storage_of(self.pop(tuple)))


def _tuple(machine, count):
    values = [machine.pop() for _ in range(count)]
    machine.push(tuple(values[::-1]))


def _sized(machine, form):
    """Bytes behind their count."""
    return machine.take(machine.number(form))


def _protocol(machine):
    protocol = machine.take(1)[0]
    if protocol not in PROTOCOLS:
        raise ValueError(f"pickle: expected protocol 2, 3 or 4, got {protocol}")


def _stack_global(machine):
    name, module = machine.pop(str), machine.pop(str)
    machine.push(named(f"{module}.{name}"))


def _append_one(machine):
    machine.append([machine.pop()])


def _set_item(machine):
    value, key = machine.pop(), machine.pop()
    machine.put_items([key, value])


def _new_object(machine):
    machine.pop(tuple)
    name = machine.pop(Name).name
    machine.push(value_of(name, ()))


def _add_to_set(machine):
    machine.pop_to_mark()
    machine.pop(Inert)
    machine.push(INERT_VALUE)


# opcode -> what it does to the machine; names as in pickletools
OPCODES = {
    0x80: _protocol,  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    ord("("): lambda m: m.push(MARK),  # MARK
    ord("0"): lambda m: m.pop(),  # POP
    ord("N"): lambda m: m.push(None),  # NONE
    0x88: lambda m: m.push(True),  # NEWTRUE
    0x89: lambda m: m.push(False),  # NEWFALSE
    ord("J"): lambda m: m.push(m.number("<i")),  # BININT
    ord("K"): lambda m: m.push(m.number("<B")),  # BININT1
    ord("M"): lambda m: m.push(m.number("<H")),  # BININT2
    0x8A: lambda m: m.push(int.from_bytes(_sized(m, "<B"), "little", signed=True)),  # LONG1
    ord("G"): lambda m: m.push(m.number(">d")),  # BINFLOAT
    ord("X"): lambda m: m.push(str(_sized(m, "<I"), "utf-8")),  # BINUNICODE
    0x8C: lambda m: m.push(str(_sized(m, "<B"), "utf-8")),  # SHORT_BINUNICODE
    ord("T"): lambda m: m.push(str(_sized(m, "<I"), "latin-1")),  # BINSTRING
    ord("U"): lambda m: m.push(str(_sized(m, "<B"), "latin-1")),  # SHORT_BINSTRING
    ord("B"): lambda m: m.push(bytes(_sized(m, "<I"))),  # BINBYTES
    ord("C"): lambda m: m.push(bytes(_sized(m, "<B"))),  # SHORT_BINBYTES
    ord(")"): lambda m: m.push(()),  # EMPTY_TUPLE
    ord("t"): lambda m: m.push(tuple(m.pop_to_mark())),  # TUPLE
    0x85: lambda m: _tuple(m, 1),  # TUPLE1
    0x86: lambda m: _tuple(m, 2),  # TUPLE2
    0x87: lambda m: _tuple(m, 3),  # TUPLE3
    ord("]"): lambda m: m.push([]),  # EMPTY_LIST
    ord("a"): _append_one,  # APPEND
    ord("e"): lambda m: m.append(m.pop_to_mark()),  # APPENDS
    ord("}"): lambda m: m.push({}),  # EMPTY_DICT
    ord("s"): _set_item,  # SETITEM
    ord("u"): lambda m: m.put_items(m.pop_to_mark()),  # SETITEMS
    0x8F: lambda m: m.push(INERT_VALUE),  # EMPTY_SET
    0x90: _add_to_set,  # ADDITEMS
    ord("c"): lambda m: m.push(named(f"{m.line()}.{m.line()}")),  # GLOBAL
    0x93: _stack_global,  # STACK_GLOBAL
    ord("q"): lambda m: m.remember(m.number("<B")),  # BINPUT
    ord("r"): lambda m: m.remember(m.number("<I")),  # LONG_BINPUT
    0x94: lambda m: m.remember(len(m.memo)),  # MEMOIZE
    ord("h"): lambda m: m.recall(m.number("<B")),  # BINGET
    ord("j"): lambda m: m.recall(m.number("<I")),  # LONG_BINGET
    ord("R"): lambda m: m.reduce(),  # REDUCE
    0x81: _new_object,  # NEWOBJ
    ord("b"): lambda m: m.build(),  # BUILD
    ord("Q"): lambda m: m.persistent(),  # BINPERSID
}
