"""Which sessions at the address of all servers were ended, for as long as their ids would be good otherwise."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from proxy.aggregate.sealed import SESSION_SECONDS, Session

_MAX_OF_KEY = 500
_MAX_IN_ALL = 200_000


@dataclass(slots=True)
class _OfKey:
    """Ids with when they began. What began until `before` counts as ended, since it may be one that was forgotten."""

    began: dict[str, float] = field(default_factory=dict)
    before: float = float("-inf")


class Ended:
    """Of one event loop. Where there are too many, more sessions of the same key count as ended, never fewer."""

    def __init__(self) -> None:
        self._keys: dict[str, _OfKey] = {}
        self._count = 0

    def add(self, key_id: str, session: Session) -> None:
        of_key = self._keys.setdefault(key_id, _OfKey())
        self._count -= len(of_key.began)
        over = time.time() - SESSION_SECONDS
        of_key.began = {each: began for each, began in of_key.began.items() if began > over}
        of_key.began[session.id] = session.began_at
        if len(of_key.began) > _MAX_OF_KEY:
            oldest = min(of_key.began, key=lambda each: of_key.began[each])
            of_key.before = max(of_key.before, of_key.began.pop(oldest))
        self._count += len(of_key.began)
        while self._count > _MAX_IN_ALL:
            self._shorten(max(self._keys.values(), key=lambda each: len(each.began)))

    def holds(self, key_id: str, session: Session) -> bool:
        of_key = self._keys.get(key_id)
        return of_key is not None and (session.began_at <= of_key.before or session.id in of_key.began)

    def _shorten(self, of_key: _OfKey) -> None:
        of_key.before = max(of_key.before, *of_key.began.values())
        self._count -= len(of_key.began)
        of_key.began = {}
