"""CSV (RFC 4180) that no spreadsheet takes for formulas: one column for each of an event's, and its number first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from audit.canonical import canonical
from audit.exporters import registry
from audit.rows import NAMES

COLUMNS = ("seq", "at", "kind", "project", *(name for name in NAMES if name not in ("at", "kind", "project")))
# With what spreadsheets begin a formula or a command (OWASP, CSV injection), in their wide forms too.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# Also behind what a spreadsheet of another country or a text import takes for the end of a cell: there it ends ours.
_BEGINS = re.compile(rf'\A(?=[\t\r\n])|(?:\A|(?<=[;\t\r\n]))(?="*[{_FORMULA}])')
_SPECIAL = re.compile(r'[",\r\n]')


@registry.add
class Csv:
    """What begins like a formula, or would where cells end at ; or at a tab, has an apostrophe before it.

    `detail` is JSON.
    """

    name = "csv"
    label = "CSV"
    suffix = ".csv"
    media_type = "text/csv; charset=utf-8"

    def header(self) -> bytes:
        return (",".join(COLUMNS) + "\r\n").encode()

    def line(self, record: Mapping[str, Any], seq: int) -> bytes:
        cells = [str(seq)]
        for name in COLUMNS[1:]:
            value = record.get(name)
            if value is None:
                cells.append("")
            elif name == "detail":
                cells.append(_cell(canonical(value).decode()))
            else:
                cells.append(_cell(str(value)))
        return (",".join(cells) + "\r\n").encode("utf-8", "replace")


def _cell(text: str) -> str:
    text = _BEGINS.sub("'", text)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text
