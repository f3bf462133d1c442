"""What a process of ours holds that it never uses."""

import subprocess
import sys


def test_a_process_holds_neither_twisted_nor_rich_until_something_asks_for_them() -> None:
    code = (
        "import sys, gateway_site.settings, structlog\n"
        "assert not {'rich', 'twisted'} & sys.modules.keys()\n"
        "import twisted\n"
        "assert structlog.get_logger() is not None"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
