"""Settings files and command lines from anyone: each gives settings, or one line and exit code 2; never a traceback."""

import contextlib
import datetime
import importlib
import io
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.commands.export import batch_size_of
from src.common.errors import InputError
from src.common.frozen_dict import FrozenDict
from src.common.text import MAX_CHARACTERS
from src.settings.command_line import (
    FLAGS,
    config_from,
    config_of_checkpoint,
    config_of_file,
    create_parser,
    has_network,
    parse,
    run,
)
from src.settings.config import DEFAULT_CONFIG, load_config, save_config, to_flat, with_values
from src.settings.schema import SECTIONS, TYPES

DEFAULTS = DEFAULT_CONFIG.read_text(encoding="utf-8")
KEYS = (*TYPES, *SECTIONS)
TOKENS = (
    "&a ", "*a", "!!python/object/apply:os.system ", "!!python/name:os.system", "!!int ", "!!binary ", "!!set ", "!x ", "[",
    "]", "{", "}", ",", ": ", ":", "\n", "\n  ", "\n- ", "\t", "? ", "| ", "> ", "'", '"', "\\", "#", "%YAML 1.1", "%TAG ! x",
    "\n---\n", "...", "<<", "=", "~", "yes", "0x", "0b1", "9" * 40, "1:30", "-.inf", ".nan", "2024-13-45", "2024-01-01 1:2:3",
    "\0", "\x1b", "\x85", "\u2028", "\ufeff", "\U0001f600", "data", "seed", "stages", "teacher", "checkpoint",
)  # fmt: skip


def rules(examples):
    """Repeatable, and no example may take five seconds."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=datetime.timedelta(seconds=5),
        suppress_health_check=list(HealthCheck),
    )


def settle(main, argv):
    """Run `main` as the entry scripts do and hold what every input gets; returns the exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(main, argv)
        except SystemExit as left:  # --help
            code = left.code
    said = err.getvalue()
    assert code in (0, 2)
    assert (said == "") == (code == 0)
    if code:
        line = said.removeprefix("error: ").removesuffix("\n")
        assert said == f"error: {line}\n"
        assert line.isprintable() and 0 < len(line) <= MAX_CHARACTERS
    return code


def settings_alone(argv):
    config_from(parse(create_parser("train.py", ""), argv))


def evaluation(argv):
    """eval.py up to its settings."""
    args = importlib.import_module("eval").arguments(argv)
    (config_of_file if has_network(args) else config_of_checkpoint)(args)


def exporting(argv):
    """export.py up to its settings."""
    args = importlib.import_module("export").arguments(argv)
    batch_size_of(args.batch_size)
    config_of_checkpoint(args)


# --- files ---

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**32, 2**63]),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(TOKENS),
    st.binary(max_size=20),
    st.dates(),
)
trees = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner), max_leaves=8
)


@st.composite
def changed_defaults(draw):
    """The default settings with other values and keys."""
    tree = yaml.safe_load(DEFAULTS)
    for key in draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4)):
        *sections, name = key.split(".")
        place = tree
        for section in sections:
            place = place[section] if isinstance(place.get(section), dict) else {}
        place[draw(st.just(name) | st.text(max_size=20) | st.sampled_from(KEYS))] = draw(trees)
    return yaml.safe_dump(tree, allow_unicode=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def changed_text(draw):
    """The default file with a part taken out and something put in."""
    start = draw(st.integers(0, len(DEFAULTS)))
    end = draw(st.just(start) | st.integers(start, min(len(DEFAULTS), start + 50)))
    inserted = draw(st.text(max_size=20) | st.lists(st.sampled_from(TOKENS), max_size=4).map("".join))
    return (DEFAULTS[:start] + inserted + DEFAULTS[end:]).encode("utf-8", "surrogatepass")


files = st.one_of(
    st.binary(max_size=200),
    st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text().map(lambda text: text.encode("utf-16", "surrogatepass")),
    st.lists(st.sampled_from(TOKENS), max_size=30).map(lambda parts: "".join(parts).encode()),
)


@pytest.mark.parametrize(
    ("kind", "short"), [(files, 200), (changed_defaults(), 60), (changed_text(), 60)], ids=lambda kind: ""
)
def test_any_settings_file_gives_settings_or_one_line(kind, short, tmp_path, often, tell):
    path, codes = tmp_path / "config.yaml", []

    @rules(often(short, 20 * short))
    @given(kind)
    def check(data):
        path.write_bytes(data)
        codes.append(settle(settings_alone, ["--config_path", str(path)]))

    check()
    assert {0, 2} == set(codes)
    tell("settings file", f"{codes.count(0)} taken, {codes.count(2)} refused", len(codes))


def test_a_file_of_one_mebibyte_is_read_or_refused_in_bounded_time(tmp_path):
    """Text that costs a YAML reader most per byte; without a limit numbers in base 60 take minutes."""
    path, most = tmp_path / "config.yaml", 1 << 20
    laughs = "a0: &a0 [x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
    )
    for text in (
        laughs,
        "[" * most,
        "seed: 1" + ":1" * (most // 2 - 4),
        "9" * most,
        "- " * (most // 2),
        "a" * most,
        '"\\x61' * 200000,
    ):
        path.write_text(text)
        began = time.monotonic()
        assert settle(settings_alone, ["--config_path", str(path)]) == 2
        assert time.monotonic() - began < 20


# --- command lines ---

FLAG_NAMES = [
    f"--{name}"
    for name in (*FLAGS, "config_path", "model", "image", "json", "help", "file_format", "batch_size")
]
words = st.one_of(
    st.text(max_size=20),
    st.sampled_from([*FLAG_NAMES, "-", "--", "-h", "@x", "x" * 300, "9" * 10000, "none.packed", "/dev/zero", "."]),
    st.builds("{}={}".format, st.sampled_from(FLAG_NAMES), st.text(max_size=20) | st.just("9" * 10000)),
    st.builds("{}={}".format, st.sampled_from(KEYS) | st.text(max_size=10), st.text(max_size=20)),
    st.builds("{}={}".format, st.sampled_from(KEYS), st.sampled_from(TOKENS) | scalars.map(repr) | trees.map(str)),
)  # fmt: skip


@pytest.mark.parametrize("main", [settings_alone, evaluation, exporting])
def test_any_command_line_gives_settings_or_one_line(main, tmp_path, monkeypatch, often, tell):
    monkeypatch.chdir(tmp_path)
    codes = []

    @rules(often(80, 2000))
    @given(st.lists(words, max_size=5))
    def check(argv):
        codes.append(settle(main, argv))

    check()
    assert not list(tmp_path.iterdir())
    tell("command line", f"{codes.count(0)} taken, {codes.count(2)} refused", len(codes))


# --- and back ---

OF_TYPE = {
    bool: st.booleans(),
    int: st.integers(0, 2**32 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=())) | st.sampled_from(TOKENS),
}  # fmt: skip
ITEM = st.one_of(*OF_TYPE.values())
OF_TYPE[FrozenDict] = st.dictionaries(
    st.sampled_from(["width", "sizes", "größe", "_"]), ITEM | st.lists(ITEM, max_size=3), max_size=3
)


@st.composite
def some_values(draw):
    """Values of the right type for some keys."""
    values = {}
    for key in draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=6)):
        kind = TYPES[key]
        many = not isinstance(kind, type)
        one = OF_TYPE[kind.__args__[0] if many else kind]
        values[key] = draw(st.lists(one, max_size=4).map(tuple) if many else one)
    return values


def test_settings_that_load_are_saved_and_load_back_equal(tmp_path, often, tell):
    path, default, kept = tmp_path / "config.yaml", load_config(), []

    @rules(often(100, 3000))
    @given(some_values())
    def check(values):
        config = default
        for key, value in values.items():
            with contextlib.suppress(InputError):
                config = with_values(config, {key: value})
        save_config(config, path)
        loaded = load_config(path, complete=True)
        assert loaded == config and repr(to_flat(loaded)) == repr(to_flat(config))
        kept.append(config != default)

    check()
    assert sum(kept) > len(kept) // 2
    tell("saved settings", "loaded back equal", len(kept))
