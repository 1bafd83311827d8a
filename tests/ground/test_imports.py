"""Who may import whom: the directions between the rooms, read from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GROUND = {
    "native",
    "cache_folder",
    "published",
    "errors",
    "file_kinds",
    "files",
    "heads",
    "loading",
    "config_types",
    "config",
    "config_help",
    "checkpoint",
    "checkpoint_formats",
    "cli",
    "markdown",
    "output",
    "parameter_names",
    "text",
    "yaml_file",
}
ROOMS = {
    "operators": {"native"},  # the compiled operators lie under model and learn, and know neither
    "model": {"operators"},
    "data": {"errors", "files", "config", "config_types"},
    # cli: src/learn/report.py is a command
    "learn": {
        "native",
        "errors",
        "files",
        "config",
        "config_types",
        "checkpoint",
        "operators",
        "cli",
        "markdown",
        "output",
        "text",
    },
    "deploy": {"errors", "files", "config", "config_types", "checkpoint", "model"},
    "build": GROUND | {"model", "data"},
    # what looks at networks from outside
    "paper": set(),
    "cost_cells": {"errors", "model"},
    "engine": {"errors", "native"},  # knows nothing of MindSpore
    "cost": {
        "deploy",
        "errors",
        "config",
        "cli",
        "checkpoint",
        "markdown",
        "output",
        "build",
        "model",
        "cost_cells",
    },
    "reproduce": {"errors", "files", "config", "markdown", "paper", "build", "model", "cost"},
}


def modules():
    """(room, path) of every module under src/: a folder, or the name of a file on the ground floor."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield path.relative_to(ROOT / "src").parts[0].removesuffix(".py"), path


def imported_rooms(path):
    """The rooms of src/ that a module imports, anywhere in its text."""
    package = path.relative_to(ROOT).parent.parts
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = list(package[: len(package) - node.level + 1]) if node.level else []
            parts += node.module.split(".") if node.module else []
            names = [parts] if len(parts) > 1 else [[*parts, alias.name] for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        else:
            continue
        rooms |= {name[1] for name in names if name[0] == "src" and len(name) > 1}
    return rooms


@pytest.mark.parametrize(
    "room,path", modules(), ids=lambda value: value.name if isinstance(value, Path) else value
)
def test_rooms_import_only_in_their_direction(room, path):
    allowed = ROOMS.get(room, GROUND)
    assert imported_rooms(path) - {room} <= allowed


def test_nobody_imports_the_entry_scripts():
    entries = {"train", "eval", "export"}
    for folder in ("src", "scripts", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    assert not {alias.name for alias in node.names} & entries, path
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    assert node.module not in entries, path


def test_source_neither_asserts_nor_prints():
    for _, path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not isinstance(node, ast.Assert), path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                raise AssertionError(f"{path} prints")
