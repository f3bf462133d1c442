"""Serialised objects that run code when they are read, and members that reach into a program's prototypes."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach
from guardrails.engine.hits import Hit

OBJECT = "DESERIALISATION"

MARKS = (
    Mark(
        OBJECT, 0.95, Reach.ALWAYS,
        r"!!?python/(?:object|name|module|tuple)|!<tag:yaml\.org,2002:python/|!!javax?\.|!!com\.sun\.|"
        r"!!org\.\w+\.|!ruby/(?:object|hash|struct)|!!js/function",
    ),
    Mark(
        OBJECT, 0.9, Reach.VALUE,
        r"\bc(?:os|posix|nt|subprocess|__builtin__|builtins|commands|sys|webbrowser|runpy|pickle|"
        r"importlib)\r?\n\w+\r?\n",
    ),
    Mark(
        OBJECT, 0.9, Reach.VALUE,
        r"\x{80}[\x{02}-\x{05}]\x{95}|\x{80}[\x{02}-\x{05}]c\w+\n|\\x80\\x0[2-5](?:\\x95|c\w)",
    ),
    # Base64 of pickles whose first opcodes name a global, and of Java, .NET, Ruby and PHP streams.
    Mark(
        OBJECT, 0.9, Reach.VALUE,
        r"(?:^|[\s\"'=:(,])(?:gA[JNMO][jY]|gA[SRU]V[A-Za-z0-9+/_-]|Y29z[A-Za-z0-9+/]|Y3Bvc2l4C|Y19fYnVpbHRpbl9f|"
        r"Y2J1aWx0aW5z|Y3N1YnByb2Nlc3M|KGRw|gASV|gAWV|gAR9|gAN9|gAJ9)[A-Za-z0-9+/=_-]{8}",
    ),
    Mark(
        OBJECT, 0.9, Reach.VALUE,
        r"(?:^|[\s\"'=:(,])(?:rO0AB[A-Za-z0-9+/]|AAEAAAD/{5}|H4sIAAAAAAAA[A-Za-z0-9+/]{3}[a-zA-Z0-9+/]*rO0AB|"
        r"BAhv[A-Za-z0-9+/]|Tzo[0-9A-Za-z]{2,3}[iIo]|/wEy[A-Za-z0-9+/]{10})",
    ),
    Mark(OBJECT, 0.9, Reach.VALUE, r"\baced0005[0-9a-f]{4}|\x{ac}\x{ed}\x{00}\x{05}|\\xac\\xed\\x00\\x05"),
    Mark(OBJECT, 0.85, Reach.VALUE, r"(?:^|[;{\s\"'])[OC]:\+?\d+:\\?\"[\w\\]+\\?\":\d+:\{"),
    Mark(
        OBJECT, 0.9, Reach.VALUE,
        r"\"(?:py/(?:object|reduce|function|type|module|object/apply)|_\$\$ND_FUNC\$\$_|\$type|@type|@class|"
        r"__reduce__|__class__)\"?\s*:?\s*\"?(?:os\.|posix\.|subprocess|builtins|__builtin__|_\$\$ND|function|"
        r"System\.|com\.sun|org\.apache|javax?\.|com\.mchange|ch\.qos|[\[{])",
    ),
    Mark(
        OBJECT, 0.9, Reach.ALWAYS,
        r"_\$\$ND_FUNC\$\$_|ysoserial|JdbcRowSetImpl|ObjectDataProvider\b.*\bProcess|\bpy/reduce\b",
    ),
    Mark(
        OBJECT, 0.85, Reach.VALUE,
        r"[\[.\"'](?:__proto__)[\]\"']?\s*(?:[\[.=:]|\]\s*=)|constructor(?:\.|\]?\[['\"]?)prototype|"
        r"__proto__\s*[\[.]",
    ),
    Mark(
        OBJECT, 0.8, Reach.PAYLOAD,
        r"['\"]__proto__['\"]\s*:\s*\{|['\"]constructor['\"]\s*:\s*\{\s*['\"]prototype['\"]",
    ),
    Mark(
        OBJECT, 0.85, Reach.WHOLE,
        r"\b__reduce(?:_ex)?__\b|\bpickle\.loads?\s*\(|\bmarshal\.loads?\s*\(|"
        r"\byaml\.(?:unsafe_)?load\s*\(",
    ),
)

_NAMES = {
    "__proto__": 0.9, "__reduce__": 0.85, "__reduce_ex__": 0.85, "py/object": 0.8, "py/reduce": 0.9,
    "py/object/apply": 0.9, "py/function": 0.85, "_$$nd_func$$_": 0.9, "__globals__": 0.85, "__subclasses__": 0.85,
    "__builtins__": 0.85,
}  # fmt: skip


def judge_name(name: str) -> Hit | None:
    """A member's name that a reader of objects acts upon."""
    score = _NAMES.get(name.lower())
    return Hit(OBJECT, 0, len(name), score) if score is not None else None
