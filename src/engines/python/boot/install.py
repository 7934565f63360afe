"""Registers the package `conductor`, whose sources the engine hands over as SOURCES: name to text."""

import sys
from importlib.machinery import ModuleSpec


class Sources:
    """Finds and loads `conductor` and its modules. Their files have names that no traceback shows."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        package, _, module = name.partition(".")
        if package != "conductor" or module not in self.sources:
            return None
        return ModuleSpec(name, self, is_package=not module)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        name = module.__name__.partition(".")[2]
        code = compile(self.sources[name], f"<conductor>/{name or '__init__'}.py", "exec", dont_inherit=True)
        exec(code, module.__dict__)


sys.meta_path.insert(0, Sources(SOURCES))
del SOURCES, Sources, ModuleSpec, sys
