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
    execute_from_command_line([*sys.argv[:1], *_module(sys.argv[1:])])


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
