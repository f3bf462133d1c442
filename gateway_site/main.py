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

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
