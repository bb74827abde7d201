"""Compiles libs/fastpath, and each Python file that has its C types beside it. All else is in pyproject.toml."""

import os
from glob import glob

from setuptools import Extension, setup

TYPED = ("libs/hogql", "libs/kit", "services")
CHECKS_OFF = {"boundscheck": False, "wraparound": False}


def extensions() -> list[Extension]:
    """None when HEDGEROW_PURE_PYTHON is set: plain Python then serves."""
    if os.environ.get("HEDGEROW_PURE_PYTHON"):
        return []
    from Cython.Build import cythonize

    included = [*glob("libs/fastpath/*.h"), *glob("libs/fastpath/*.pxi")]
    fastpath = [_extension(path, included, "-O3") for path in sorted(glob("libs/fastpath/*.pyx"))]
    # Python with its C types beside it, in .pxd files; annotations are mypy's, not Cython's.
    typed = []
    for folder in TYPED:
        shapes = sorted(glob(f"{folder}/**/*.pxd", recursive=True))
        typed += [_extension(path.removesuffix(".pxd") + ".py", shapes, "-O2", "-g0") for path in shapes]
    return [
        *cythonize(fastpath, language_level=3, compiler_directives=CHECKS_OFF),
        *cythonize(typed, language_level=3, compiler_directives={"annotation_typing": False}),
    ]


def _extension(path: str, depends: list[str], *flags: str) -> Extension:
    # optional: a machine without a compiler still gets a working install, in plain Python.
    name = os.path.splitext(path)[0].replace("/", ".")
    return Extension(name, [path], depends=depends, optional=True, extra_compile_args=list(flags))


setup(ext_modules=extensions(), options={"build_ext": {"parallel": os.cpu_count()}})
