"""chdb's native module, loaded without the Python package around it.

`import chdb` pulls in pyarrow and numpy and opens a second, in-memory server to ask for its version: 50 MB and most of
a second for things a server does not use. The extension module alone is the engine.
"""

import ctypes
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any, Protocol, cast

# From dlfcn.h: the engine's jemalloc must resolve operator new before the process' libstdc++ does (chdb does the same).
RTLD_DEEPBIND = 0x8


class EngineResult(Protocol):
    """Bytes in the format that was asked for, and what it took to make them."""

    def bytes(self) -> bytes: ...
    def rows_read(self) -> int: ...
    def bytes_read(self) -> int: ...
    def rows_written(self) -> int: ...
    def bytes_written(self) -> int: ...
    def storage_rows_read(self) -> int: ...
    def storage_bytes_read(self) -> int: ...
    def elapsed(self) -> float: ...


class EngineConnection(Protocol):
    """One session of the engine. Not thread-safe; several sessions of one process run side by side."""

    def query(self, sql: str, output_format: str, *, params: dict[str, str] = ...) -> EngineResult: ...
    def send_query(self, sql: str, output_format: str, *, params: dict[str, str] = ...) -> Any: ...
    def streaming_fetch_result(self, stream: Any) -> EngineResult: ...
    def streaming_cancel_query(self, stream: Any) -> None: ...
    def set_progress_callback(self, callback: Any) -> None: ...
    def close(self) -> None: ...


class Engine(Protocol):
    """The module: one server per process, opened by the first `connect`."""

    def connect(self, connection_string: str) -> EngineConnection: ...
    def set_signal_handlers_enabled(self, enabled: int) -> None: ...


def load_engine() -> Engine:
    """The engine module, with its process-wide signal handlers off: signals belong to the server."""
    spec = importlib.machinery.PathFinder.find_spec("chdb")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("chdb-core is not installed", name="chdb")
    folder = Path(spec.origin).parent
    module_path = folder / "_chdb.abi3.so"
    back_to = Path.cwd()
    os.chdir(folder)  # the module finds its pybind11 half by a relative path
    try:
        ctypes.CDLL(str(module_path), mode=sys.getdlopenflags() | RTLD_DEEPBIND)
        loader = importlib.machinery.ExtensionFileLoader("_chdb", str(module_path))
        module_spec = importlib.util.spec_from_loader("_chdb", loader, origin=str(module_path))
        if module_spec is None:
            raise ImportError("cannot load chdb's native module", path=str(module_path))
        module = importlib.util.module_from_spec(module_spec)
        loader.exec_module(module)
    finally:
        os.chdir(back_to)
    engine = cast(Engine, module)
    engine.set_signal_handlers_enabled(0)
    return engine
