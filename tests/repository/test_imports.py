"""Who may import whom: the directions between the rooms, read from the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# the rooms of src/, from the ground up: a room imports those that its row names
ROOMS = {
    "common": set(),
    "settings": {"common"},
    "checkpoint": {"common"},
    "operators": {"common"},  # the compiled operators lie under model and learn, and know neither
    "model": {"operators"},
    "data": {"common", "settings"},
    "learn": {"common", "settings", "checkpoint", "operators"},
    "graph": {"common"},  # a network gives its graph by its own methods
    "deploy": {"common", "settings", "checkpoint", "model", "graph"},
    "engine": {"common"},  # knows nothing of MindSpore
    "cost": {"common", "checkpoint", "deploy", "graph"},
    "paper": {"common", "settings", "model"},
    "commands": {
        "common", "settings", "checkpoint", "model", "data", "learn", "graph", "deploy", "engine", "cost",
        "paper",
    },
}  # fmt: skip


def modules():
    """(room, path) of every module under src/."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield path.relative_to(ROOT / "src").parts[0], path


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
    assert imported_rooms(path) - {room} <= ROOMS[room]


def test_the_rows_of_rooms_are_an_order():
    """Each room imports rooms of earlier rows alone, so that there is no circle."""
    seen = set()
    for room, allowed in ROOMS.items():
        assert allowed <= seen, room
        seen.add(room)


# the folders of src/model/, from the ground up, with what of src/model/ each imports
MODEL = {"layers": set(), "backends": {"layers"}, "networks": {"layers", "variant"}}


@pytest.mark.parametrize("folder", MODEL)
def test_folders_of_the_model_import_only_in_their_direction(folder):
    """Layers know no backend, networks know neither backends nor one another."""
    for path in (ROOT / "src" / "model" / folder).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                if node.level:
                    assert folder != "networks" and node.level == 1, path
                elif node.module.startswith("src.model"):
                    assert node.module.split(".")[2] in MODEL[folder], path


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
