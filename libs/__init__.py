"""Libraries shared by the services. Nothing here imports from `services` or `hedgerow`.

Some modules are compiled from the Python they are (a .pxd beside them has the C types), and Python finds the compiled
file first. With `HEDGEROW_PURE_PYTHON=1` it finds the source, as on a machine without a compiler.
"""

import os
import sys
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any

_OURS = tuple(str(Path(__file__).parents[1] / folder) for folder in ("libs", "services"))
_sources_only = FileFinder.path_hook((SourceFileLoader, SOURCE_SUFFIXES))


def _plain(path: str) -> Any:
    if not path.startswith(_OURS):
        raise ImportError("not ours", path=path)
    return _sources_only(path)


if os.environ.get("HEDGEROW_PURE_PYTHON"):
    sys.path_hooks.insert(0, _plain)
    for _known in [path for path in sys.path_importer_cache if path.startswith(_OURS)]:
        del sys.path_importer_cache[_known]
