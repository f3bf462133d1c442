"""The policies that come with the gateway: `observe`, `balanced` and `strict`, as ordered tuples of rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from guardrails.engine.findings import Action
from guardrails.engine.rules import Mode, Policy, Rule

# Raised with every change below; events name it as the version of the policy.
VERSION = 1
DEFAULT = "balanced"

_BOTH = ("input", "output")
_ALL = ("input", "output", "definition")


def _rule(
    name: str,
    detector: str,
    directions: tuple[str, ...],
    action: Action,
    threshold: float = 0.5,
    *,
    on_error: Action = Action.BLOCK,
    categories: tuple[str, ...] = (),
    **config: Any,
) -> Rule:
    return Rule(
        id=name, detector=detector, directions=frozenset(directions), action=action, threshold=threshold,
        config=MappingProxyType(config), categories=frozenset(categories), on_error=on_error,
    )  # fmt: skip


# What the detector recognises by its form rather than by its words, and is seldom wrong about.
_HIDDEN = ("HIDDEN_TEXT", "ROLE_MARKER", "CONCEALMENT", "EXFILTRATION", "TOOL_POISONING")
_WORDED = ("INJECTION", "JAILBREAK")

# Secrets in arguments block, for a redacted credential is a wrong one: the call would fail at the server, or worse,
# do something else. In results they are redacted, so that the rest of the answer still serves.
_BALANCED = (
    _rule("size", "size", _BOTH, Action.BLOCK),
    # What exhausts a server is an attack on it; in results, documents about such attacks are more common.
    _rule("repetition-sent", "repetition", ("input",), Action.BLOCK, 0.7),
    _rule("repetition-returned", "repetition", ("output",), Action.FLAG, 0.7, on_error=Action.FLAG),
    _rule("web-attack", "web_attack", ("input",), Action.BLOCK, 0.7),
    _rule("secrets-sent", "secrets", ("input",), Action.BLOCK, 0.8),
    _rule("secrets-returned", "secrets", ("output",), Action.REDACT, 0.5),
    _rule("injection-hidden", "prompt_injection", _BOTH, Action.BLOCK, 0.7, categories=_HIDDEN),
    # A definition is short, and read by every model that sees the list.
    _rule("injection-defined", "prompt_injection", ("definition",), Action.BLOCK, 0.6, categories=_HIDDEN),
    _rule("injection", "prompt_injection", _ALL, Action.BLOCK, 0.9, categories=_WORDED),
    _rule("injection-suspected", "prompt_injection", _ALL, Action.FLAG, on_error=Action.FLAG),
    _rule("web-attack-returned", "web_attack", ("output",), Action.FLAG, 0.7, on_error=Action.FLAG),
    _rule("binary", "binary", _BOTH, Action.FLAG, on_error=Action.FLAG),
    _rule("pii", "pii", _BOTH, Action.FLAG, on_error=Action.FLAG),
    _rule("toxicity", "toxicity", _BOTH, Action.FLAG, on_error=Action.FLAG),
)

_STRICT = (
    _rule("size", "size", _ALL, Action.BLOCK),
    _rule("repetition", "repetition", _BOTH, Action.BLOCK),
    _rule("binary", "binary", _BOTH, Action.BLOCK),
    _rule("web-attack", "web_attack", _BOTH, Action.BLOCK),
    _rule("secrets-sent", "secrets", ("input", "definition"), Action.BLOCK),
    _rule("secrets-returned", "secrets", ("output",), Action.REDACT),
    _rule("injection", "prompt_injection", _ALL, Action.BLOCK),
    _rule("pii-sent", "pii", ("input",), Action.TOKENISE),
    _rule("pii-returned", "pii", ("output",), Action.REDACT),
    _rule("toxicity", "toxicity", _BOTH, Action.BLOCK, 0.8),
    _rule("bias", "bias", _BOTH, Action.FLAG, on_error=Action.FLAG),
    _rule("relevancy", "relevancy", ("output",), Action.FLAG, 0.8, on_error=Action.FLAG),
    _rule("grounding", "hallucination", ("output",), Action.FLAG, 0.8, on_error=Action.FLAG),
)

PRESETS: Mapping[str, Policy] = MappingProxyType({
    "observe": Policy(name="observe", version=VERSION, mode=Mode.OBSERVE, rules=_BALANCED),
    "balanced": Policy(name="balanced", version=VERSION, rules=_BALANCED),
    "strict": Policy(name="strict", version=VERSION, rules=_STRICT),
})  # fmt: skip
