"""The help on every setting, read from the comments in default_config.yaml."""

import re
import textwrap
import typing

import yaml

from src.settings.config import DEFAULT_CONFIG, type_name
from src.settings.schema import TYPES, rule_of
from src.settings.yaml import read_text

WIDTH = 100  # characters of a line


class KeyHelp(typing.NamedTuple):
    """The help on one key. A section has type "section" and default ""; `allowed` is the rule in words, or ""."""

    key: str
    type: str
    default: str
    comment: str
    allowed: str


def describe_keys(path):
    """The KeyHelp of all sections and keys, in the order of the file, with the comments in it.

    A key's comment stands behind its value; a section's behind its name and on lines of their own right below.
    A stage's key without a comment (or only "(open)") has that of the first stage that has one.
    """
    text = read_text(path)
    found = []
    _describe(yaml.compose(text, yaml.SafeLoader), "", text.splitlines(), found)
    first = {}
    for index, item in enumerate(found):
        ending = re.sub(r"^stages\.\w+\.", "", item.key)
        if item.type == "section" or ending == item.key:
            continue
        if item.comment not in ("", "(open)"):
            first.setdefault(ending, item.comment)
        elif "(open" in first.get(ending, ""):
            found[index] = item._replace(comment=first[ending])
        else:
            found[index] = item._replace(comment=f"{first.get(ending, '')} {item.comment}".strip())
    return found


def _describe(node, section, lines, found):
    """Append the KeyHelp of each key of a mapping node."""
    for key_node, value_node in node.value:
        key = f"{section}.{key_node.value}" if section else key_node.value
        if isinstance(value_node, yaml.MappingNode) and key not in TYPES:
            found.append(KeyHelp(key, "section", "", _section_comment(key_node.end_mark, lines), ""))
            _describe(value_node, key, lines, found)
        else:
            start, end = value_node.start_mark, value_node.end_mark
            default = lines[start.line][start.column : end.column] if start.line == end.line else "..."
            rule = rule_of(key)
            found.append(
                KeyHelp(
                    key,
                    type_name(key) if key in TYPES else "",
                    default,
                    _comment(lines[end.line][end.column :]),  # behind the value: "#" in quotes is no comment
                    rule.allowed if rule else "",
                )
            )


def _comment(rest):
    """The comment in the rest of a line behind a key or value, without its "#"; "" for none."""
    match = re.match(r"\s*:?\s*#\s?(.*)", rest)
    return match.group(1).strip() if match else ""


def _section_comment(mark, lines):
    """A section's comment: behind its name and on the comment lines right below, line by line."""
    parts = [_comment(lines[mark.line][mark.column :])]
    for line in lines[mark.line + 1 :]:
        if not line.strip().startswith("#"):
            break
        parts.append(_comment(line))
    return "\n".join(part for part in parts if part)


def help_text():
    """All settings as text for --help, grouped by section: key=default, type or what is allowed, comment."""
    lines = ["settings (section.key=value):"]
    for item in describe_keys(DEFAULT_CONFIG):
        if item.type == "section":
            lines += ["", f"{item.key}:"]
            lines += [f"  {line}" for line in item.comment.splitlines()]
            continue
        named = item.allowed.startswith("one of") and all(
            name in item.comment for name in item.allowed[len("one of ") :].split(", ")
        )
        kind = item.type if not item.allowed or named else f"{item.type}: {item.allowed}"
        lines.append(f"  {item.key}={item.default}   ({kind})")
        lines += textwrap.wrap(item.comment, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)
