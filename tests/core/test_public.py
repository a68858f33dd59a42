"""The public names of proxy_core, which load at their first use."""

import ast
import importlib
import inspect
import subprocess
import sys
from importlib.metadata import version

import pytest

import proxy_core


@pytest.mark.parametrize("name", proxy_core.__all__)
def test_a_public_name_is_that_of_its_module_and_documented(name: str) -> None:
    (module,) = [module for module, names in proxy_core.MODULES.items() if name in names]
    value = getattr(proxy_core, name)
    assert value is getattr(importlib.import_module(f"proxy_core.{module}"), name)
    assert not callable(value) or inspect.getdoc(value)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(inspect.getsource(proxy_core))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = [a.name for node in block.body if isinstance(node, ast.ImportFrom) for a in node.names]
    assert sorted(seen) == sorted(proxy_core.__all__)


def test_importing_the_package_loads_nothing_else() -> None:
    script = """
import sys
before = set(sys.modules)
import proxy_core
assert proxy_core.__version__
loaded = {name.split(".")[0] for name in set(sys.modules) - before}
assert not loaded & {"torch", "numpy", "numba", "scipy", "sklearn"}, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_version_and_unknown_names() -> None:
    assert proxy_core.__version__ == version("proxy-bench")
    with pytest.raises(AttributeError, match="module 'proxy_core' has no attribute 'nothing'"):
        proxy_core.nothing  # noqa: B018
