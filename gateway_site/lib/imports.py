"""Keeps structlog from importing what it only offers: Twisted and Rich, where they happen to be installed.

Nothing of ours uses either through it, and each process would pay 5 MB and 0.07 s of CPU for them.
"""

from __future__ import annotations

import sys

_OFFERED = ("rich", "twisted")


def import_structlog() -> None:
    """To be called before anything else imports it. What is imported already stays, and can be imported later."""
    hidden = [name for name in _OFFERED if name not in sys.modules]
    # An entry of None lets the import fail with ImportError, which structlog is prepared for.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is what the import system looks for
    try:
        import structlog  # noqa: F401  to have it imported
    finally:
        for name in hidden:
            del sys.modules[name]
