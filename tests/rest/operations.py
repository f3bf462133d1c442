"""The operations of the OpenAPI document, for tests that go through all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway_site.api import api

_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Operation:
    """`action` is None for what every live token may."""

    method: str
    path: str
    action: str | None
    has_body: bool

    @property
    def is_of_project(self) -> bool:
        return "{project}" in self.path

    @property
    def names(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    def address(self, names: Mapping[str, str]) -> str:
        return _PARAMETER.sub(lambda found: names[found[1]], self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def document() -> dict[str, Any]:
    return dict(api.get_openapi_schema(path_prefix="/api/v1/"))


@cache
def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, operation.get("x-action"), "requestBody" in operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]
