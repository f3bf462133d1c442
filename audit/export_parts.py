"""Writes an export in parts that stay, so that whoever comes next goes on after the last one that was finished.

The parts lie in a folder of their own:

    000001.part    what becomes the file's beginning; never changed once it has its name
    000001.json    where the next part begins, and what the lines so far come to

The same plan over the same log gives the same bytes, whoever writes a part and however often: two processes that
believe that it is theirs do no harm. A log only grows, so that its numbers `first` to `last` are one state of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from audit import logs, rows
from audit.export_format import EVENTS, About, Beginning, Tally
from audit.export_forms import PROOF, Record, form_of
from audit.export_output import Output, digest_of, private_file, put_in_place
from audit.exporters import proof
from audit.filters import Filters
from audit.retained_logs import retention_end

# Numbers of the log in one part: about a second's work.
PART = 20_000
_TOLD = 2_000
Tell = Callable[[int, int], None]


class PartChanged(OSError):
    """A part is not as it was written."""


class BeginningDropped(Exception):
    """What was still to be written is not kept any more (audit.retention)."""


@dataclass(frozen=True)
class Plan:
    """Events `first` to `last` of a log that `filters` choose, in a form. `created_at` is RFC 3339."""

    project_ref: int
    project: str
    form: str
    first: int
    last: int
    filters: Filters
    created_at: str
    # Whether it was to be all that the log has.
    is_whole: bool

    @property
    def about(self) -> About:
        chosen = None if self.is_whole else {**self.filters.to_json(), "first": self.first, "last": self.last}
        return About(self.project_ref, self.project, self.created_at, chosen)


@dataclass(frozen=True)
class _Done:
    """`number` parts are there, and the log was read up to `at`."""

    number: int
    at: int
    tally: Tally


class Parts:
    """The parts of one export. Raises audit.export_forms.NoSuchForm."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._form = form_of(plan.form)
        self._start, self._end = Beginning(), plan.last
        if plan.form == PROOF:
            self._start, self._end = proof.bounds(plan.project_ref, plan.first, plan.last)
        self._first = self._start.size if plan.form == PROOF else plan.first - 1

    def write(self, tell: Tell, may_go_on: Callable[[], bool]) -> bool:
        """Writes what is missing; False when `may_go_on` ended that before all was there. Makes one part at least.

        `tell` hears how many of how many numbers are done, and may raise. Raises OSError, django.db.Error and
        BeginningDropped.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        done, total = self._done(), self._end - self._first
        while done.at < self._end:
            tell(done.at - self._first, total)
            done = self._write_part(done, tell)
            if done.at < self._end and not may_go_on():
                return False
        tell(total, total)
        return True

    def assemble(self, output: Output) -> dict[str, Any]:
        """Makes the export of parts that are all there; gives its manifest. Raises OSError and signing.NoKey."""
        done, plan = self._done(), self._plan
        name = EVENTS if plan.form == PROOF else f"events{self._form.suffix}"
        with output.file(name) as file:
            self._form.join(self._checked(done.number), file)
        if plan.form == PROOF:
            return proof.complete(output, plan.about, self._start, done.tally, plan.first, plan.last)
        over = logs.checkpoint_over(plan.project_ref, plan.last)
        return proof.sign(output, plan.about.of_file(plan.form, plan.first, done.tally, over))

    def _done(self) -> _Done:
        found = _Done(0, self._first, self._nothing())
        while (state := self._folder / f"{found.number + 1:06}.json").exists():
            kept = orjson.loads(state.read_bytes())
            found = _Done(found.number + 1, kept["at"], Tally.of_json(kept))
        return found

    def _nothing(self) -> Tally:
        return Tally(self._start.size, self._start.chain) if self._plan.form == PROOF else Tally(self._first)

    def _write_part(self, done: _Done, tell: Tell) -> _Done:
        upto, number = min(done.at + PART, self._end), done.number + 1
        tally = Tally.of_json(done.tally.to_json())

        def heard(at: int) -> None:
            tell(at - self._first, self._end - self._first)

        with self._draft(f"{number:06}.part") as (file, put):
            if self._plan.form == PROOF:
                for line in self._proof_lines(tally, done.at, upto, heard):
                    file.write(line)
            else:
                self._form.write_part(self._records(tally, done.at, upto, heard), file)
                tally.seq = upto
            # Asked afterwards, so that nothing can have gone unseen in between.
            if retention_end(self._plan.project_ref) > done.at:
                raise BeginningDropped
            file.seek(0)
            digest, size = digest_of(file)
            put()
        state = {**tally.to_json(), "at": upto, "sha256": digest, "bytes": size}
        with self._draft(f"{number:06}.json") as (file, put):
            file.write(orjson.dumps(state))
            put()
        return _Done(number, upto, tally)

    def _proof_lines(self, tally: Tally, after: int, upto: int, heard: Callable[[int], None]) -> Iterator[bytes]:
        plan = self._plan
        lines = proof.lines(tally, plan.project_ref, after, upto, (plan.first, plan.last), plan.filters)
        for count, line in enumerate(lines, after + 1):
            if count % _TOLD == 0:
                heard(count)
            yield line

    def _records(self, tally: Tally, after: int, upto: int, heard: Callable[[int], None]) -> Iterator[Record]:
        for seq, leaf, row in proof.sealed(self._plan.project_ref, after, upto, self._plan.filters):
            if seq % _TOLD == 0:
                heard(seq)
            if row is not None:
                record, detail = rows.record_of(row)
                tally.show(leaf)
                yield (record if detail == "{}" else {**record, "detail": orjson.loads(detail)}), seq

    def _checked(self, count: int) -> Iterator[Path]:
        """Raises PartChanged."""
        for number in range(1, count + 1):
            kept = orjson.loads((self._folder / f"{number:06}.json").read_bytes())
            path = self._folder / f"{number:06}.part"
            with path.open("rb") as file:
                if digest_of(file) != (kept["sha256"], kept["bytes"]):
                    raise PartChanged(path.name)
            yield path

    @contextmanager
    def _draft(self, name: str) -> Iterator[tuple[IO[bytes], Callable[[], None]]]:
        """A file that gets its name when the second is called, and goes when that does not happen."""
        path = self._folder / f"{name}.{secrets.token_hex(6)}.tmp"
        try:
            with private_file(path) as file:
                yield file, lambda: put_in_place(file, path, self._folder / name)
        finally:
            path.unlink(missing_ok=True)
