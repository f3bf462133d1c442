"""`mcp-gateway connect`: its arguments, where its key comes from, and its exit codes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gateway_site.connect.bridge import Bridge
from gateway_site.connect.lines import Incoming, Outgoing
from gateway_site.connect.link import PATIENCE_SECONDS, Link, check_url

ENDED, UNUSABLE = 0, 2
KEY_VARIABLE = "GATEWAY_KEY"
_KEY = re.compile(r"[\x21-\x7E]{1,4096}")


class NoKey(Exception):
    """The text says why; it never holds the key."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="The gateway's address, such as https://gw.example.com/mcp/acme.")
    parser.add_argument(
        "--key-file", metavar="PATH",
        help=f"A file that holds the key and nothing else; without it the environment's {KEY_VARIABLE}. "
        "A key is never an argument: everybody on the machine could read it there.",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=float, default=PATIENCE_SECONDS, metavar="SECONDS",
        help="For how long a gateway that cannot be reached is waited for.",
    )  # fmt: skip
    parser.add_argument("--allow-http", action="store_true", help="Send the key over plain http to another machine.")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="mcp-gateway connect", description="Lets a client that only starts programs use the gateway over stdio.",
        epilog="Exit codes: 0 the client has ended, 2 it cannot be started like this.", allow_abbrev=False,
    )  # fmt: skip
    add_arguments(parser)
    options = parser.parse_args(arguments)
    return connect(options.url, options.key_file, options.patience, allow_http=options.allow_http)


def connect(url: str, key_file: str | None, patience: float, *, allow_http: bool) -> int:
    """Bridges standard input and output to the gateway until the client ends. The exit code."""
    problem = check_url(url, allow_http=allow_http)
    if problem is not None:
        _note(f"--url: {problem}.")
        return UNUSABLE
    try:
        read_key = _source(key_file)
        read_key()
    except NoKey as error:
        _note(str(error))
        return UNUSABLE
    incoming, outgoing = _descriptors()
    asyncio.run(_run(url, _patiently(read_key), patience, incoming, outgoing))
    # Threads may still wait for the client to write or to read; nothing of theirs is left to be done.
    sys.stderr.flush()
    os._exit(ENDED)


async def _run(url: str, read_key: Callable[[], str], patience: float, incoming: int, outgoing: int) -> None:
    async with Link(url, read_key) as link:
        bridge = Bridge(link, Outgoing(outgoing), _note, patience)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Windows has no such handlers; there a signal ends the process at once.
            with contextlib.suppress(NotImplementedError):
                asyncio.get_running_loop().add_signal_handler(number, bridge.stopping.set)
        await bridge.run(Incoming(incoming))


def _descriptors() -> tuple[int, int]:
    """For messages only: whatever else is printed in this process goes to standard error."""
    outgoing = os.dup(1)
    os.dup2(2, 1)
    return 0, outgoing


def _source(key_file: str | None) -> Callable[[], str]:
    """Raises NoKey."""
    if key_file is None:
        if KEY_VARIABLE not in os.environ:
            raise NoKey(f"There is no key: give --key-file, or set {KEY_VARIABLE}.")
        # Out of the environment of whatever this process might start.
        key = os.environ.pop(KEY_VARIABLE)
        return lambda: _checked(key, KEY_VARIABLE)
    path = Path(key_file).expanduser()
    _warn_of_readers(path)
    return lambda: _checked(_read(path), str(path))


def _patiently(read_key: Callable[[], str]) -> Callable[[], str]:
    """While a key is being replaced, the file may be away for a moment; the one that is known stays."""
    known = read_key()

    def read() -> str:
        nonlocal known
        with contextlib.suppress(NoKey):
            known = read_key()
        return known

    return read


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NoKey(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not text'}.") from None


def _checked(text: str, place: str) -> str:
    key = text.strip()
    if not _KEY.fullmatch(key):
        raise NoKey(f"{place} holds no key.")
    return key


def _warn_of_readers(path: Path) -> None:
    with contextlib.suppress(OSError):
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            _note(f"Others on this machine may read {path}; chmod 600 it.")


def _note(text: Any) -> None:
    print(f"mcp-gateway connect: {text}", file=sys.stderr, flush=True)
