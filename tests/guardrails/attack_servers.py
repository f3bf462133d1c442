"""Installs the published attack servers into a virtualenv of their own, and says what tools they have."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".attack_servers"
PYTHON = HOME / "bin" / "python"
STAMP = HOME / ".installed"
LOCKS = [ROOT / "requirements" / name for name in ("attack_servers.txt", "attack_servers_package.txt")]
INSTALL_TIMEOUT = 600.0
# Asked of each server as its author's library shows it, without any gateway.
_LIST = """
import asyncio, importlib.util, json, pathlib, sys
found = {}
for path in map(pathlib.Path, sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found[path.stem] = [tool.model_dump(mode="json") for tool in asyncio.run(module.mcp.list_tools())]
print("LISTED" + json.dumps(found))
"""


def scripts() -> dict[str, Path]:
    """The servers' files by name; installs what is missing."""
    _ensure_installed()
    [folder] = HOME.glob("lib/python*/site-packages/secure_mcp_gateway/bad_mcps")
    return {path.stem: path for path in sorted(folder.glob("*_mcp.py"))}


def tools() -> dict[str, list[dict[str, Any]]]:
    """Every server's definitions."""
    paths = [str(path) for path in scripts().values()]
    printed = subprocess.run([PYTHON, "-c", _LIST, *paths], capture_output=True, text=True, check=True, timeout=120)
    found: dict[str, list[dict[str, Any]]] = json.loads(printed.stdout.rpartition("LISTED")[2])
    return found


def _wanted() -> str:
    return hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()


def _ensure_installed() -> None:
    if STAMP.is_file() and STAMP.read_text() == _wanted():
        return
    with LOCKS[0].open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if STAMP.is_file() and STAMP.read_text() == _wanted():
            return
        _run(sys.executable, "-m", "venv", "--clear", str(HOME))
        pip = (str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--require-hashes")
        _run(*pip, "-r", str(LOCKS[0]))
        _run(*pip, "--no-deps", "-r", str(LOCKS[1]))
        STAMP.write_text(_wanted())


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} failed:\n{done.stdout}{done.stderr}")
