"""docs/operations.md lists every error of the product, so that it cannot fall behind the code."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path

from odp.core import exceptions
from odp.core.settings import Settings, read_settings
from odp.schedules import Schedules
from sandbox.world import PROJECT

PAGE = (PROJECT / "docs" / "operations.md").read_text()
PACKAGE = PROJECT / "plugins" / "odp"
BASES = ("OdpExportError", "CannotSucceedError")
CLASSES = {name for name, value in inspect.getmembers(exceptions, inspect.isclass) if value.__module__ == exceptions.__name__}


def texts_of(node: ast.expr, module: ast.Module, function: ast.AST) -> Iterator[str]:
    """Return what an error's first argument may say, each placeholder written as an ellipsis."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    elif isinstance(node, ast.Name):  # assigned before
        for found in ast.walk(function):
            if isinstance(found, ast.Assign) and any(isinstance(to, ast.Name) and to.id == node.id for to in found.targets):
                yield from texts_of(found.value, module, function)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):  # written by a function of the module
        for found in ast.walk(module):
            if isinstance(found, ast.FunctionDef) and found.name == node.func.id:
                for result in ast.walk(found):
                    if isinstance(result, ast.Return) and result.value:
                        yield from texts_of(result.value, module, found)


def first_sentence(text: str) -> str:
    """Return the beginning of a message, by which it is listed."""
    return re.split(r"\. |\n|\.?$", re.sub(r"…(\.?…)+", "…", text), maxsplit=1)[0]


def raised_in(path: Path) -> Iterator[tuple[str, str]]:
    module = ast.parse(path.read_text())
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                texts = list(texts_of(node.args[0], module, function))
                assert texts, f"{path.name}:{node.lineno}: the message cannot be read out of the code"
                yield from ((node.func.id, first_sentence(text)) for text in texts)


def listed() -> set[tuple[str, str]]:
    """Return the class and message of each row of the page's tables of errors."""
    found, heading = set(), ""
    for line in PAGE.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif heading in CLASSES and (cell := re.match(r"\| `` ?(.+?) ?`` \|", line) or re.match(r"\| `(.+?)` \|", line)):
            found.add((heading, cell.group(1)))
    return found


def test_the_page_lists_the_messages_of_the_code_and_no_others() -> None:
    raised = {found for path in PACKAGE.rglob("*.py") for found in raised_in(path)}
    assert len(raised) > 40
    assert sorted(raised - listed()) == []
    assert sorted(listed() - raised) == []


def test_every_class_has_a_section_that_says_whether_a_retry_helps() -> None:
    for name in CLASSES - set(BASES):
        section = re.search(rf"^### {name}\n\n(.+?)(?=^#)", PAGE + "\n#", re.S | re.M)
        assert section, f"docs/operations.md has no section {name}"
        is_final = issubclass(getattr(exceptions, name), exceptions.CannotSucceedError)
        assert ("No retry helps" in section.group(1)) is is_final, name


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"the setting `(\w+)`", PAGE))
    assert named
    assert named <= set(Settings.model_fields)


def test_the_examples_of_settings_and_schedules_are_right() -> None:
    page = (PROJECT / "docs" / "schedules-and-notifications.md").read_text()
    examples = [json.loads(block) for block in re.findall(r"```json\n(.+?)```", page, re.S)]
    readme = [json.loads(line) for line in re.findall(r"^    (\{.+\})$", (PROJECT / "README.md").read_text(), re.M)]
    assert len(examples) == 3
    assert len(readme) == 2
    for example in examples + readme:
        if "dags" in example:
            Schedules.model_validate(example)
        else:
            read_settings(example)


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (PROJECT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")
    }
    for anchor in re.findall(r"\]\(#([^)]+)\)", PAGE):
        assert anchor in headings, anchor
