"""Operators of document databases where a plain value belongs, and JavaScript for their `$where`."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach
from guardrails.engine.hits import Hit

NOSQL = "NOSQL_INJECTION"

_OPERATORS = (
    r"\$(?:where|ne|eq|gte?|lte?|n?in|regex|or|and|nor|not|exists|expr|function|accumulator|elemMatch|mod|text|jsonSchema|"
    r"all|size|type|options|lookup|out|merge|func|comment)"
)
# Run code in the database, whoever asks.
_RUNNING = frozenset({"$where", "$function", "$accumulator", "$func"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMPARING = _words(
    "$ne $eq $gt $gte $lt $lte $in $nin $regex $or $and $nor $not $exists $expr $elemmatch $mod $all $type $options"
)
# Members in which such operators are at home.
_AT_HOME = _words(
    "filter filters query where match selector pipeline aggregate aggregation criteria condition conditions find "
    "update projection sort stages mongo mongodb q"
)
_OF_A_LOGIN = _words("user username login email mail password passwd pass pwd pin otp token secret apikey api_key")

MARKS = (
    Mark(
        NOSQL, 0.85, Reach.VALUE,
        rf"(?:^|[\s,{{'\"]){_OPERATORS}['\"]?\s*:\s*(?:['\"\[{{]|\d|null|true|false|-|/|function)",
    ),
    Mark(NOSQL, 0.85, Reach.VALUE, rf"\[{_OPERATORS}\]\s*=?"),
    Mark(
        NOSQL, 0.85, Reach.VALUE,
        r"['\"]\s*(?:&&|\|\||;)\s*(?:return\b|this\.\w|sleep\s*\(|it\s*=\s*new|var\s|function\b|db\.)",
    ),
    Mark(
        NOSQL, 0.85, Reach.VALUE,
        r"\bthis\.\w+\s*(?:\.match\s*\(|==|!=|\[).*(?://|\x{0}|%00|$)|;\s*return\s+['\"\d(]?.*==|"
        r"return\s*\(?\s*true\s*\)?\s*[;}]\s*(?:var|//|')",
    ),
    Mark(
        NOSQL, 0.85, Reach.VALUE,
        r"(?:^|['\";}\s])do\s*\{[^}]*\}\s*while\s*\(|;\s*sleep\s*\(\s*\d{3,}\s*\)\s*;?|db\.(?:\w+\.)?(?:insert|"
        r"drop|remove|find|eval|getCollectionNames|dropDatabase)\w*\s*\(",
    ),
    Mark(NOSQL, 0.7, Reach.WHOLE, r"\{\s*['\"]?[&$](?:exists|gt|ne|regex|where|or|nin)['\"]?\s*:"),
    Mark(NOSQL, 0.75, Reach.WHOLE, r"['\"]\s*(?:\|\||&&)\s*['\"]?\w*['\"]?\s*==\s*['\"]?\w*|\|\|\s*1\s*==\s*1"),
)


def judge_name(name: str, pointer: str) -> Hit | None:
    """A member's name that is an operator. Within a filter only those count that run code."""
    lowered = name.lower()
    if lowered in _RUNNING:
        return Hit(NOSQL, 0, len(name), 0.85)
    if lowered not in _COMPARING:
        return None
    above = pointer.lower().split("/")[-2::-1]
    if above and above[0] in _OF_A_LOGIN:
        return Hit(NOSQL, 0, len(name), 0.9)
    if any(each in _AT_HOME for each in above):
        return None
    return Hit(NOSQL, 0, len(name), 0.6)
