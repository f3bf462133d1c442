"""`mcp-gateway`, the installed command: `connect` starts at once, without Django; all else is a Django command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["connect"]:
        from gateway_site.connect.command import main as connect

        sys.exit(connect(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway_site.settings")
    from django.core.management import execute_from_command_line

    _load_settings()
    arguments = _module(sys.argv[1:])
    try:
        execute_from_command_line([*sys.argv[:1], *arguments])
    except SystemExit as ended:
        # Django ends with 1, which is for what was refused.
        sys.exit(2 if ended.code == 1 and _is_unknown(arguments[:1]) else ended.code)


def _is_unknown(name: list[str]) -> bool:
    from django.core.management import get_commands

    return name != [] and not name[0].startswith("-") and name[0] not in {*get_commands(), "help"}


def _load_settings() -> None:
    """What is wrong with them is said in a sentence, and the process ends with 1."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018  looking at one loads them
    except (ImproperlyConfigured, OSError, ValueError) as error:
        sys.exit(f"The gateway cannot start: {error}")


def _module(arguments: list[str]) -> list[str]:
    """`import-enkrypt` is import_enkrypt.py."""
    command = arguments[:1]
    return [name if name.startswith("-") else name.replace("-", "_") for name in command] + arguments[1:]


if __name__ == "__main__":
    main()
