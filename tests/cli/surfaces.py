"""Which acts can be reached from the admin, from commands and from REST: found by reading the source.

An act is a public function of an app that takes keywords only and is or holds a transaction, writes to the log or asks
for a job; one that an app's `services` offers; or one of ALSO. It is reached from a surface when the surface's code
names it, or names what names it, up to the next act.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.databases import ROOT

APPS = ("projects", "guardrails", "servers", "audit")
ALL = (*APPS, "gateway_site")
Place = tuple[str, str]
# Acts that do what they do by way of others.
ALSO: tuple[Place, ...] = (("audit.retention", "retain"), ("audit.sealer", "change_key"))
_DOES = ("transaction.atomic", "record", "_record", "record_act", "jobs.enqueue")


@dataclass
class Module:
    """`names` is what a name in it stands for: a place in one of our modules, or a whole module with ""."""

    name: str
    tree: ast.Module
    names: dict[str, Place] = field(default_factory=dict)
    functions: dict[str, ast.AST] = field(default_factory=dict)


def surface_of(module: str) -> str | None:
    last = module.rpartition(".")[2]
    if ".management.commands." in module:
        return "commands"
    if last in ("api", "schemas_api", "operations") or ".api." in module or last.endswith("_api"):
        return "REST"
    if last in ("admin", "pages") or last.endswith(("_pages", "_admin")) or ".pages." in module:
        return "admin"
    return None


@cache
def modules() -> dict[str, Module]:
    found = {}
    for app in ALL:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                name = _name(path)
                found[name] = Module(name, ast.parse(path.read_text()))
    for module in found.values():
        _learn(module, found)
    return found


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _learn(module: Module, known: dict[str, Module]) -> None:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = (whole, "") if whole in known else (node.module, alias.name)
                module.names[alias.asname or alias.name] = place
    for node in module.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            module.functions[node.name] = node
            module.names[node.name] = (module.name, node.name)
        for target in _targets(node):
            # A table of functions, such as one by the name of an action.
            module.functions[target] = node
            module.names[target] = (module.name, target)


def _targets(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [each.id for each in targets if isinstance(each, ast.Name)]


def acts() -> dict[str, Place]:
    """By "app.name"."""
    found: dict[str, Place] = {}
    for module in modules().values():
        app = module.name.partition(".")[0]
        if app not in APPS or surface_of(module.name) is not None:
            continue
        offered = _offered(module) if module.name == f"{app}.services" else {}
        for name, node in module.functions.items():
            if isinstance(node, ast.FunctionDef) and not name.startswith("_") and _takes_keywords_only(node):
                if _does_something(node) or module.name == f"{app}.services":
                    found[f"{app}.{name}" if module.name == f"{app}.services" else f"{module.name}.{name}"] = (
                        module.name, name
                    )  # fmt: skip
        for name, place in offered.items():
            found[f"{app}.{name}"] = place
    return found | {".".join(place): place for place in ALSO}


def _offered(module: Module) -> dict[str, Place]:
    """What `services` has from elsewhere and names in __all__."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return {name: module.names[name] for name in ast.literal_eval(node.value)}
    return {}


def _takes_keywords_only(node: ast.FunctionDef) -> bool:
    return not node.args.args and not node.args.posonlyargs and bool(node.args.kwonlyargs)


def _does_something(node: ast.FunctionDef) -> bool:
    return any(ast.unparse(each) in _DOES for each in ast.walk(node) if isinstance(each, (ast.Name, ast.Attribute)))


def reached(surface: str) -> set[Place]:
    """Everything that the surface's modules name, through whatever is no act."""
    ends = set(acts().values())
    seen: set[Place] = set()
    waiting = [place for module in modules().values() if surface_of(module.name) == surface
               for place in _named(module, module.tree)]  # fmt: skip
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if place in ends:
            continue
        module, name = place
        node = modules()[module].functions.get(name) if module in modules() else None
        if node is not None:
            waiting += _named(modules()[module], node)
        elif module in modules() and name in modules()[module].names:
            # It has it from elsewhere.
            waiting.append(modules()[module].names[name])
    return seen


def _named(module: Module, node: ast.AST) -> Iterator[Place]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and each.id in module.names:
            yield module.names[each.id]
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            whole = module.names.get(each.value.id)
            if whole is not None and not whole[1]:
                yield (whole[0], each.attr)
        elif isinstance(each, ast.Call) and ast.unparse(each.func) == "getattr" and isinstance(each.args[0], ast.Name):
            # Which one is not known, so any.
            whole = module.names.get(each.args[0].id)
            if whole is not None and not whole[1] and whole[0] in modules():
                yield from ((whole[0], name) for name in modules()[whole[0]].functions)
