"""Which build of the parser serves: the compiled one if all of it is there, else plain Python, never a mixture.

A plain subclass of a compiled class would look for methods that only C sees. `HEDGEROW_PURE_PYTHON=1` asks for Python.
"""

import importlib
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

#: In the order in which they import each other.
MODULES = (
    "libs.hogql.lexer", "libs.hogql.parser.cursor", "libs.hogql.parser.tags", "libs.hogql.parser.calls",
    "libs.hogql.parser.forms", "libs.hogql.parser.operands", "libs.hogql.parser.expressions",
    "libs.hogql.parser.tables", "libs.hogql.parser.clauses", "libs.hogql.parser.select",
)  # fmt: skip
_ROOT = Path(__file__).resolve().parents[3]


def prepare() -> str:
    """Make imports of the modules above find one build; the answer is "cython" or "python"."""
    if not os.environ.get("HEDGEROW_PURE_PYTHON") and all(compiled(name) for name in MODULES):
        try:
            for name in MODULES:
                importlib.import_module(name)
        except ImportError:
            pass
        else:
            return "cython"
    load_plain()
    return "python"


def source(name: str) -> Path:
    """The Python file of a module."""
    return _ROOT.joinpath(*name.split(".")).with_suffix(".py")


def compiled(name: str) -> Path | None:
    """Its compiled file for this interpreter, if there is one."""
    files = (source(name).with_suffix(suffix) for suffix in EXTENSION_SUFFIXES)
    return next((file for file in files if file.exists()), None)


def load_plain() -> dict[str, ModuleType]:
    """Put the Python files into `sys.modules`, whatever was compiled from them."""
    for name in MODULES:
        sys.modules.pop(name, None)
    for name in MODULES:
        path = str(source(name))
        spec = spec_from_file_location(name, path, loader=SourceFileLoader(name, path))
        if spec is None or spec.loader is None:
            raise ImportError(f"no source for {name}", name=name)
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        package, _, own = name.rpartition(".")
        setattr(sys.modules[package], own, module)
    return {name: sys.modules[name] for name in MODULES}
