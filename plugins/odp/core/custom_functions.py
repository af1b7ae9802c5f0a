"""
A team's own Python functions for custom properties: files of ``include/custom``.

A file says in ``FIELDS`` which fields its functions give, and of which types::

    FIELDS = {"shelf_life_days": "number", "storage": "string"}

so that they can be created in ODP before anything is sent.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from odp import sql_files
from odp.core.custom_settings import FieldType
from odp.core.exceptions import CustomFunctionError, CustomPropertyError, OdpExportError
from odp.core.masking import mask_addresses

_QUOTED = re.compile(r"(['\"])(.*?)\1")

TYPES: tuple[str, ...] = get_args(FieldType)


@dataclass(frozen=True)
class CustomFunction:
    """
    A function of a team's file.

    :param name: how the settings name it: ``products.py:preload``.
    :param export_id: the export it works for.
    :param path: the file.
    :param function: the function itself.
    :param fields: the fields it may give, and the type of each.
    """

    name: str
    export_id: str
    path: Path
    function: Callable[..., Any]
    fields: Mapping[str, str]

    @property
    def origin(self) -> str:
        """How messages name it."""
        return f"include/custom/{self.name} of {self.export_id}"

    def __call__(self, *arguments: Any) -> Any:
        """
        Call the function.

        :param arguments: what it is called with.
        :raises CustomFunctionError: if it raises an error.
        """
        return guarded(self, self.function, *arguments)

    def refuse_undeclared(self, names: set[str]) -> None:
        """
        Refuse fields that the file does not declare.

        :param names: names of fields.
        :raises CustomPropertyError: naming those that are not declared.
        """
        if undeclared := sorted(map(str, names - self.fields.keys())):
            file = self.name.partition(":")[0]
            raise CustomPropertyError(
                f"{self.origin} gives {', '.join(undeclared)}, which FIELDS does not declare.",
                f'Add it to FIELDS in include/custom/{file}, with its type, such as {{"{undeclared[0]}": "string"}}; or return '
                "only what is added to the rows, as select() does and with_columns() does not.",
            )


def guarded(origin: CustomFunction, function: Callable[..., Any], *arguments: Any) -> Any:
    """
    Call a function that a team wrote.

    :param origin: the function that the settings name.
    :param function: this one, or one that it has made.
    :param arguments: what it is called with.
    :raises CustomFunctionError: naming file, line and error. Values of rows that an error may quote are not repeated.
    """
    try:
        return function(*arguments)
    except OdpExportError:
        raise
    except Exception as error:  # whatever a team's code may raise
        raise CustomFunctionError(
            f"{origin.origin} failed{_place(error, origin.path)}: {_said(error, origin.path)}.",
            "Mend the function; nothing is lost: clear the task then, and the run goes on from there.",
        ) from None


def load_function(name: str, export_id: str) -> CustomFunction:
    """
    Load a function and what its file declares.

    :param name: file and function, such as ``products.py:preload``.
    :param export_id: the export that it is for.
    :raises CustomPropertyError: if the file or the function is not there, cannot be imported, or declares no fields.
    """
    file, _, attribute = name.partition(":")
    path = Path(sql_files.CUSTOM_DIR, file)
    where = f"The settings of {export_id} name include/custom/{name}"
    if not path.is_file():
        raise CustomPropertyError(f"{where}, but there is no file {path}.", "Create it, on all workers, or correct the setting.")
    module = _import(path, where)
    function = getattr(module, attribute, None)
    if not callable(function):
        raise CustomPropertyError(f"{where}, but {file} has no function {attribute}.", "Define it there, or correct the setting.")
    fields = getattr(module, "FIELDS", None)
    if not isinstance(fields, Mapping) or not fields or not all(type_ in TYPES for type_ in fields.values()):
        raise CustomPropertyError(
            f"{where}, but {file} does not declare its fields.",
            f'Write FIELDS = {{"a_field": "string"}} there: each field that its functions give, with one of {", ".join(TYPES)}.',
        )
    return CustomFunction(name, export_id, path, function, dict(fields))


def _import(path: Path, where: str) -> Any:
    module_name = f"odp_custom_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - the path ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # as dataclasses, among others, look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a team's code may raise
        raise CustomPropertyError(
            f"{where}, but the file cannot be imported{_place(error, path)}: {_said(error, path)}.",
            "Mend it, or install on all workers what it imports.",
        ) from None
    return module


def _place(error: Exception, path: Path) -> str:
    """Say in which line of a team's file an error was raised, as far as it was there."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f" in line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" in line {frames[-1].lineno} ({frames[-1].name})" if frames else ""


def _said(error: Exception, path: Path) -> str:
    """Repeat an error's first line, and what it quotes only if the file has it: there are names of columns, but no rows."""
    source = path.read_text(encoding="utf-8", errors="replace")
    line = (str(error).strip().splitlines() or [""])[0][:300]
    said = _QUOTED.sub(lambda quoted: quoted[0] if quoted[2] in source else "'…'", mask_addresses(line))
    return ": ".join(filter(None, [type(error).__name__, said.rstrip(".")]))
