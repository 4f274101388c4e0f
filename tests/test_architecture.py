"""Which way imports run: shared <- foundation <- apps.* <- apps.film, apps.sweep, apps.commands <- ui <- apps.cli."""

import ast
import sys
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("shared", "foundation", "apps", "ui")
SOURCES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
TRAINING_NEEDS = {"accelerate", "diffusers", "hydra", "numpy", "omegaconf", "peft", "safetensors", "torch"}
TRAINING_NEEDS |= {"tqdm"}  # comes with diffusers


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file):
    """Every module that a file imports, at its top or inside a function, for types or for use."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def inside(module, room):
    return module == room or module.startswith(f"{room}.")


def layer(module):
    """The floor a module lives on; None for what is not ours."""
    if inside(module, "apps.cli"):
        return 5
    if inside(module, "ui"):
        return 4
    if any(inside(module, name) for name in ("apps.film", "apps.sweep", "apps.commands")):
        return 3
    floors = {"shared": 0, "foundation": 1, "apps": 2}
    return floors.get(module.split(".")[0])


def app(module):
    parts = module.split(".")
    return parts[1] if parts[0] == "apps" and len(parts) > 1 else None


@pytest.mark.parametrize("file", SOURCES, ids=module_name)
def test_imports_run_one_way(file):
    module = module_name(file)
    for imported in imports(file):
        floor = layer(imported)
        assert floor is None or floor <= layer(module), f"{module} must not import {imported}"


@pytest.mark.parametrize("file", [file for file in SOURCES if app(module_name(file))], ids=module_name)
def test_apps_never_import_each_other(file):
    module = module_name(file)
    if app(module) in ("film", "sweep", "commands", "cli"):
        return
    for imported in imports(file):
        assert app(imported) in (None, app(module)), f"{module} must not import {imported}"


FACADES = {
    ("foundation.models.transformer.model", "foundation.checkpoints.single_file"),
    ("foundation.models.vae.model", "foundation.checkpoints.single_file"),
}
"""`from_single_file` of a model calls its loader, which it imports when it is called: the one way back."""


def runtime_imports(file):
    """Modules of ours that a file imports at its top or inside a function; not those for types alone."""
    found, todo = set(), list(ast.parse(file.read_text(encoding="utf-8")).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
        todo += list(ast.iter_child_nodes(node))
    return found & MODULES.keys()


MODULES = {module_name(file): file for file in SOURCES}


def folder(module):
    if module == "apps.cli":  # the entry point: it stands above the page, which reads the table beside it
        return module
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def test_no_two_folders_import_each_other():
    graph = defaultdict(set)
    for module, file in MODULES.items():
        for imported in runtime_imports(file):
            ends = folder(module), folder(imported)
            nested = inside(ends[0], ends[1]) or inside(ends[1], ends[0])
            if not nested and (module, imported) not in FACADES:
                graph[ends[0]].add(ends[1])
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_importing_a_model_imports_no_loading_code():
    for file in sorted((ROOT / "foundation" / "models").rglob("*.py")):
        loading = {
            module_name(source)
            for source in reached(file)
            if inside(module_name(source), "foundation.checkpoints")
        }
        assert not loading, f"{module_name(file)} reaches {sorted(loading)}"


@pytest.mark.parametrize("file", sorted((ROOT / "shared").rglob("*.py")), ids=module_name)
def test_shared_knows_no_model(file):
    tops = {imported.split(".")[0] for imported in imports(file)}
    assert not tops & {"torch", "diffusers", "transformers", "accelerate", "peft"}


def eager_imports(file):
    """What importing a file imports: statements outside of functions and of `if TYPE_CHECKING`."""
    found, todo = set(), list(ast.parse(file.read_text(encoding="utf-8")).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        todo += list(ast.iter_child_nodes(node))
    return found


def reached(file):
    """A file with every one of ours that importing it imports, packages' `__init__` included."""
    by_name = {module_name(source): source for source in SOURCES}
    seen, todo = set(), [file]
    while todo:
        source = todo.pop()
        if source in seen:
            continue
        seen.add(source)
        for imported in eager_imports(source):
            parts = imported.split(".")
            names = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
            todo += [by_name[name] for name in names if name in by_name]
    return seen


TRAINING = [
    file
    for file in sorted((ROOT / "foundation" / "training").rglob("*.py"))
    if not file.stem.startswith("text")  # trains transformers' own classes and so needs that library
]
TRAINING += [ROOT / "foundation" / "data" / "folder" / f"{name}.py" for name in ("prepared",)]


@pytest.mark.parametrize("file", TRAINING, ids=module_name)
def test_training_runs_on_a_bare_gpu_machine(file):
    for source in reached(file):
        for imported in eager_imports(source):
            top = imported.split(".")[0]
            known = top in TRAINING_NEEDS or top in ROOMS or top in sys.stdlib_module_names
            assert known, f"{module_name(file)} reaches {module_name(source)}, which imports {imported}"
