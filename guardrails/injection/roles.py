"""Marks that pretend to be another speaker: chat templates, system tags, members named for a model."""

from __future__ import annotations

import re2

from guardrails.engine.hits import Hit
from guardrails.injection.signs import Sign

CATEGORY = "ROLE_MARKER"
# What a marker tells in source code, or between quotes, where templates are written and explained.
QUOTED = 0.45
_QUOTES = "\"'`‘“«"

_FOR_A_MODEL = r"(?:ai|llm|system|assistant|agent|model|hidden|secret|internal)"
_WHAT = r"(?:notes?|injections?|instructions?|overrides?|prompts?|directives?|commands?|context|messages?)"

SIGNS = (
    Sign(
        CATEGORY,
        0.85,
        r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id|"
        r"end_header_id|begin_of_text|end_of_text|end_of_turn|start_of_turn)\|?>",
    ),
    Sign(CATEGORY, 0.8, r"\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"),
    Sign(CATEGORY, 0.75, r"\[{2,4}\s*/?(?:system|admin|inst|override|instruction)"),
    Sign(CATEGORY, 0.65, r"^\s*#{2,5}\s*\(?system(?:[ _](?:prompt|message|instructions?|override|note))?\)?\s*:"),
    Sign(CATEGORY, 0.6, r"#{2,5} ?\((?:system|admin)[ _](?:message|prompt|instructions?|override)\)"),
    Sign(CATEGORY, 0.45, r"^\s*#{2,5}\s*(?:instructions?|user|human|assistant)\s*:"),
    Sign(
        CATEGORY,
        0.9,
        r"<\s*/?\s*(?:system|hidden|secret|ai|llm|assistant|admin)[_-](?:\w+[_-])?"
        r"(?:instructions?|context|notes?|prompts?|override|directives?|commands?|message)(?:[_-]\w+)*\s*>",
    ),
    Sign(
        CATEGORY,
        0.9,
        r"<\s*/?\s*(?:instructions?|context|notes?|message)[_-](?:for|to)[_-](?:the[_-])?"
        r"(?:ai|llm|assistant|model|agent)\s*>",
    ),
    Sign(CATEGORY, 0.6, r"<\s*(?:system|important|admin|override)\s*>"),
    Sign(CATEGORY, 0.85, r"[\"']_+" + _FOR_A_MODEL + r"(?:_\w+)?_" + _WHAT + r"(?:_\w+)?[\"']\s*:"),
    Sign(
        CATEGORY,
        0.7,
        r"[\"'](?:ai|llm|assistant)_(?:system_)?(?:notes?|injections?|instructions?|overrides?|directives?)"
        r"[\"']\s*:",
    ),
    Sign(
        CATEGORY,
        0.55,
        r"^\s*[\[(<*]*(?:system|admin(?:istrator)?|developer)[ _](?:override|instructions?|alert|command|"
        r"note to (?:ai|assistant))[\])>*]*\s*:",
    ),
    Sign(
        CATEGORY,
        0.8,
        r"\b(?:begin|end|start|new) (?:of )?(?:system|developer|admin) (?:prompt|message|instructions?|override)\b"
        r"\s*[\])>:*=-]",
    ),
)

_NAME = re2.compile(r"(?i)^_+" + _FOR_A_MODEL + r"(?:_\w+)?_" + _WHAT + r"(?:_\w+)?$")
_LONGEST_NAME = 64


def named_for_a_model(name: str) -> float:
    """How much a member tells by its name alone, 0 to 1."""
    return 0.85 if len(name) <= _LONGEST_NAME and _NAME.search(name) else 0.0


def weigh(hit: Hit, text: str, is_code: bool) -> Hit:
    """Less, where such words are what the text is about: in code, and right behind a quotation mark."""
    quoted = hit.start > 0 and text[hit.start - 1] in _QUOTES and text[hit.start] not in "\"'"
    if not (is_code or quoted):
        return hit
    return hit._replace(score=hit.score * QUOTED)
