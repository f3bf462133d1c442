"""Chromium for the tests of the pages: one that is there, else Debian's where it may be installed, else a reason."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

VARIABLE = "GATEWAY_TEST_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_INSTALL_SECONDS = 300


class NoChromium(Exception):
    """Says why there is none, and what to do about it."""


@cache
def program() -> str:
    """Its path. Raises NoChromium."""
    given = os.environ.get(VARIABLE)
    if given:
        if not os.access(given, os.X_OK):
            raise NoChromium(f"{VARIABLE} names {given}, which cannot be run")
        return given
    found = _installed()
    if found is None:
        _install()
        found = _installed()
    if found is None:
        raise NoChromium(f"Debian's chromium was installed, but there is none of {', '.join(_NAMES)}")
    return found


def _installed() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def _install() -> None:
    what_to_do = f"install Debian's package chromium, or name one in {VARIABLE}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoChromium(f"there is no Chromium, and it may not be installed here: {what_to_do}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        try:
            subprocess.run(
                ["apt-get", "-qq", *command], env=quiet, check=True, capture_output=True, timeout=_INSTALL_SECONDS
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NoChromium(f"Chromium could not be installed ({error}): {what_to_do}") from None
