"""Build hook for what pyproject.toml cannot say: the version, the compiled library and the machine. scripts/build_wheel.sh sets the last two."""

import os
import re
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HEADER = Path(__file__).resolve().parents[2] / "src" / "engine" / "native" / "bimlp.h"


def version():
    """Version of the C interface, as "1.0.0"."""
    return ".".join(re.findall(r"^#define BIMLP_VERSION_\w+ (\d+)$", HEADER.read_text(), re.MULTILINE))


class Compiled(BuildHookInterface):
    """Puts the library into the wheel. BIMLP_LIBRARY: its path; BIMLP_MACHINE: its processor, as x86_64."""

    def initialize(self, version, build_data):
        build_data["force_include"][os.environ["BIMLP_LIBRARY"]] = "bimlp_engine/engine/libbimlp.so"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{os.environ['BIMLP_MACHINE']}"
