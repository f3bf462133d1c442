"""Every promise has a test, and every file of tests a promise; found in the source, so that no skip hides one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.claims import CLAIMS

pytestmark = pytest.mark.claim("claims.complete")
HERE = Path(__file__).resolve().parent
FILES = sorted(path for path in HERE.rglob("test_*.py") if "node_modules" not in path.parts)


def claims_in(node: ast.AST) -> Iterator[str]:
    """The ids in `pytest.mark.claim("...")`, or in `claim("...")` where that is the same under a shorter name."""
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            name = each.func.attr if isinstance(each.func, ast.Attribute) else getattr(each.func, "id", "")
            if name == "claim" and each.args and isinstance(each.args[0], ast.Constant):
                yield str(each.args[0].value)


def promises_in(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Each test of the file with the promises that it proves."""
    tree = ast.parse(path.read_text())
    everywhere: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == "pytestmark" for target in node.targets):
            everywhere |= set(claims_in(node))
    yield from _named(tree, everywhere, _marks_of(tree))


def _marks_of(tree: ast.Module) -> dict[str, set[str]]:
    """Marks that a file gives a name to, as in `spelling = pytest.mark.claim("...")`."""
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    return {getattr(node.targets[0], "id", ""): set(claims_in(node)) for node in assigned}


def _named(
    parent: ast.Module | ast.ClassDef, inherited: set[str], marks: dict[str, set[str]]
) -> Iterator[tuple[str, set[str]]]:
    for node in parent.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own = inherited.union(*(claims_in(decorator) for decorator in node.decorator_list))
            own = own.union(*(marks.get(getattr(decorator, "id", ""), set()) for decorator in node.decorator_list))
            if isinstance(node, ast.ClassDef):
                yield from _named(node, own, marks)
            elif node.name.startswith("test_"):
                yield node.name, own


PROVEN = {
    (str(path.relative_to(HERE)), name): claims for path in FILES for name, claims in promises_in(path)
}  # fmt: skip


def test_every_promise_has_a_test() -> None:
    proven = set().union(*PROVEN.values())
    assert sorted(set(CLAIMS) - proven) == []


def test_every_file_of_tests_proves_a_promise() -> None:
    """Beside the tests of a promise may stand others, that for example show what it does not forbid."""
    proving = {file for (file, _), claims in PROVEN.items() if claims}
    assert sorted({file for file, _ in PROVEN} - proving) == []


def test_no_test_names_a_promise_that_is_not_made() -> None:
    named = {claim for path in FILES for claim in claims_in(ast.parse(path.read_text()))}
    assert sorted(named - set(CLAIMS)) == []


def test_a_promise_is_one_sentence_with_a_source() -> None:
    for claim in CLAIMS.values():
        assert claim.sentence[0].isupper(), claim
        assert claim.sentence.endswith("."), claim
        assert claim.sentence.count(". ") == 0, claim
        assert claim.source, claim
        assert "." in claim.id, claim


def test_a_page_of_ours_that_makes_promises_is_there() -> None:
    root = HERE.parent
    pages = {claim.source for claim in CLAIMS.values() if claim.source.endswith((".md", ".toml", ".py"))}
    assert sorted(page for page in pages if not (root / page).exists()) == []
