"""YAML files as untrusted input: plain data of a bounded size, each key once, and nothing that refers to other parts."""

import re

import yaml

from src.common.errors import InputError
from src.common.files import read_file
from src.common.text import cut

MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_CHARACTERS = (
    1000  # of a number, date or other value that is no text: converting longer ones takes minutes
)
TEXT_TAG = "tag:yaml.org,2002:str"
MERGE_TAG = "tag:yaml.org,2002:merge"
INT_TAG, FLOAT_TAG = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
# Numbers are decimal. YAML 1.1 reads 010 in base 8, 0x10 in base 16, 0b1 in base 2 and 1:30 in base 60, and leaves the
# lines out of 1_000: here all of these are texts.
INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$", re.ASCII)
FLOAT = re.compile(
    r"([-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$", re.ASCII
)


def _decimal_resolvers():
    """{first character: [(tag, pattern)]} of plain values, as SafeLoader has them, but numbers by INT and FLOAT."""
    numbers = (INT_TAG, FLOAT_TAG)
    found = {
        first: [(tag, pattern) for tag, pattern in rows if tag not in numbers]
        for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+.0123456789":
        found[first] = [(INT_TAG, INT), (FLOAT_TAG, FLOAT), *found.get(first, ())]
    return found


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses what plain YAML takes: a key given twice (the last one wins), anchors, aliases and merge
    keys (a few lines stand for gigabytes), deep nesting and numbers without end. Numbers are decimal."""

    yaml_implicit_resolvers = _decimal_resolvers()
    depth = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _fault(
                "anchors (&) and aliases (*) are not taken; texts with these signs need quotes", event
            )
        if self.depth == MAX_DEPTH:
            raise _fault(f"nested deeper than {MAX_DEPTH} levels", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, yaml.ScalarNode) and node.tag != TEXT_TAG and len(node.value) > MAX_CHARACTERS:
            raise _fault(f"a value of {len(node.value)} characters that is no text", event)
        if node.tag == INT_TAG and not INT.match(node.value):  # !!int 010
            raise _fault(f"{cut(node.value, 100)}: a whole number is written in plain decimals, as 10", event)
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key_node.tag == MERGE_TAG:
                raise _fault("merge keys (<<) are not taken", key_node)
            if key is not None and key in seen:
                raise _fault(f"key {cut(repr(key), 100)} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes texts with characters that are not printable: as they stand some come back as spaces."""

    def represent_text(self, text):
        return self.represent_scalar(TEXT_TAG, text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _Dumper.represent_text)


def dump_yaml(value):
    """Nested dicts and lists of texts and numbers as YAML, which `parse_yaml` reads back equal."""
    return yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


def _fault(words, where):
    return yaml.constructor.ConstructorError(None, None, words, where.start_mark)


def parse_yaml(text, name):
    """The value that a YAML text stands for: dicts, lists, texts, numbers, dates, None.

    Raises:
        InputError: one line that starts with `name` and, where it is known, says where in the text.
    """
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark, words = error.problem_mark, error.problem or error.context
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    except Exception as error:  # the converters of !!int x, !!bool x, 2024-13-45 .. raise whatever comes up
        where, words = "", str(error) or type(error).__name__
    raise InputError(f"{name}{where}: not valid YAML: {cut(' '.join(words.split()), 200)}")


def read_text(path):
    """The text of a YAML file. Raises InputError: not a regular file of at most 1 MiB, or not UTF-8."""
    data = read_file(path, MAX_BYTES, expected="a YAML file with settings")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: expected a YAML file with settings, got: not UTF-8 text") from error


def read_yaml(path):
    """The value of a YAML file. Raises InputError as `read_text` and `parse_yaml`, naming the file."""
    return parse_yaml(read_text(path), path)
