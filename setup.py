"""Compiles libs/fastpath. Everything else about the build is in pyproject.toml."""

import os
from glob import glob

from setuptools import Extension, setup


def extensions() -> list[Extension]:
    """None when HEDGEROW_PURE_PYTHON is set: the plain-Python twins then serve."""
    if os.environ.get("HEDGEROW_PURE_PYTHON"):
        return []
    from Cython.Build import cythonize

    # optional: a machine without a compiler still gets a working install, on the twins.
    modules = [
        Extension(
            path.removesuffix(".pyx").replace("/", "."),
            [path],
            depends=[*glob("libs/fastpath/*.h"), *glob("libs/fastpath/*.pxi")],
            optional=True,
            extra_compile_args=["-O3"],
        )
        for path in sorted(glob("libs/fastpath/*.pyx"))
    ]
    return cythonize(modules, language_level=3, compiler_directives={"boundscheck": False, "wraparound": False})


setup(ext_modules=extensions())
