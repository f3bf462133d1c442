"""Tool definitions that steer a model: towards this tool, away from others, past its safeguards."""

from __future__ import annotations

import re2

from guardrails.injection.signs import Sign

CATEGORY = "TOOL_POISONING"
_THIS = r"(?:this|the present|our) (?:\w+ )?(?:tool|function|server|service|api|method|converter|generator|search)"
_OTHERS = (
    r"(?:other|alternative|competing|competitor|similar|any other|all other|remaining|existing|standard|built-in) "
    r"(?:\w+ ){0,2}?(?:tools?|servers?|services?|functions?|options?|providers?|apis?|methods?|alternatives?)"
)
_BAD = (
    r"(?:unsafe|insecure|deprecated|unreliable|inferior|broken|malicious|outdated|inaccurate|dangerous|obsolete|"
    r"incorrect|untrusted|not (?:safe|trusted|reliable)|compromised|wrong|vulnerable)"
)

SIGNS = (
    Sign(CATEGORY, 0.85, rf"\balways (?:use|call|choose|prefer|select|invoke|pick)\b[^.\n]{{0,40}}\b{_THIS}"),
    Sign(
        CATEGORY,
        0.85,
        rf"\b{_THIS}\b[^.\n]{{0,30}}\b(?:must|should|has to|shall|needs to) (?:always )?(?:be )?"
        r"(?:used|called|preferred|chosen|invoked|selected|prioriti[sz]ed|run|take)\b[^.\n]{0,40}"
        r"\b(?:first|before|over|instead|regardless|priority|always|even if|no matter|every)",
    ),
    Sign(CATEGORY, 0.85, rf"\b{_OTHERS} (?:are|is|have been|were|may be|will be|has been) (?:\w+ ){{0,2}}{_BAD}"),
    Sign(
        CATEGORY,
        0.8,
        rf"\b(?:never|do not|don['’]t|must not) (?:use|call|trust|rely on|choose|recommend) (?:any )?{_OTHERS}",
    ),
    Sign(
        CATEGORY,
        0.8,
        r"\b(?:must|should|shall) (?:always )?be (?:preferred|prioriti[sz]ed|chosen|used|called|selected) "
        r"(?:over|above|before|instead of|ahead of) (?:all|any|every|the|other|alternative)",
    ),
    Sign(
        CATEGORY,
        0.75,
        r"\b(?:prefer|use|choose|prioriti[sz]e|select|call) this (?:tool |one |function |server )?(?:first|"
        r"over|above|instead of|before|ahead of) (?:all|any|every|other|others|alternatives?)",
    ),
    Sign(
        CATEGORY,
        0.6,
        r"\b(?:best|only|recommended|preferred|mandatory|required) (?:choice|option|tool) for (?:all|any|every)",
    ),
    Sign(
        CATEGORY,
        0.65,
        r"\b(?:skip|bypass|disable|ignore|circumvent)\w* (?:all |any |the |user )*(?:security|safety|permission|"
        r"confirmation|approval|consent|authorization|validation) (?:checks?|prompts?|controls?|policy|"
        r"policies|validation|steps?|dialogs?)",
    ),
    Sign(
        CATEGORY,
        0.65,
        r"\b(?:no|without) (?:further |any |need for )?(?:user |human )?(?:confirmation|approval|consent|review) "
        r"(?:is )?(?:needed|required|necessary)",
    ),
    Sign(
        CATEGORY,
        0.6,
        r"\b(?:pre-?approved|audited|certified|verified|vetted|trusted) by (?:the )?(?:\w+ )?(?:security|anthropic|"
        r"openai|microsoft|google|admin|operator)",
    ),
    # Honest definitions say in which order their own tools are to be called, so that this alone is little.
    Sign(
        CATEGORY,
        0.35,
        r"\b(?:you|the (?:assistant|model|agent|ai|llm)|assistants?|agents?|models?|ais?) (?:must|shall|"
        r"are required to) (?:also |always |first |never )?(?:call|use|invoke|prefer|choose|read|send|"
        r"include|pass|ignore|avoid)\b",
    ),
    Sign(
        CATEGORY,
        0.35,
        r"\bbefore (?:using|calling|invoking|running) (?:this|any|other|another) (?:other )?(?:tool|function)s?\b"
        r"[^.\n]{0,20}\b(?:you )?(?:must|always|first|read|call|send)",
    ),
)

_PRAISE = re2.compile(
    r"(?i)\b(?:the best|most (?:accurate|reliable|advanced|trusted|powerful|popular|comprehensive)|"
    r"only (?:official|reliable|trusted|correct|accurate)|number one|ultimate|world['’]?s (?:best|most|leading)|"
    r"unmatched|unparalleled|unrivall?ed|superior|premium|elite|revolutionary|industry[- ]leading|award[- ]winning|"
    r"guaranteed|exclusive|cutting[- ]edge|state[- ]of[- ]the[- ]art|perfect|flawless|highest[- ]quality|better than|"
    r"trusted by|100% accurate|outperforms?|top[- ]rated|#1|must[- ]use|first choice|you will love|"
    r"(?:scientifically|clinically) proven|inferior|five[- ]star|game[- ]changer|breakthrough|"
    r"don['’]t (?:settle|fall behind)|\d+(?:%|x| times) (?:more|better|faster))\b|#1\b"
)
_PRAISING_NAME = re2.compile(
    r"(?i)(?:^|[_\-. ])(?:must[_-]?use|ultimate|best|elite|superior|revolutionary|exclusive|premium|number[_-]?one|"
    r"always[_-]?use|use[_-]?me|preferred)(?:[_\-. ]|$)"
)
# Member names, without case and marks, that no annotation of the protocol has and that claim something over a model.
_CLAIMING = (
    "systemprompt",
    "systeminstruction",
    "systemmessage",
    "trustlevel",
    "trusted",
    "bypass",
    "skipvalidation",
    "skipconfirmation",
    "autoapprove",
    "autoexecute",
    "disablesecurity",
    "securitylevel",
    "securityoverride",
    "override",
    "injection",
    "hiddeninstruction",
    "aiinstruction",
    "llminstruction",
    "assistantinstruction",
    "modelinstruction",
    "adminmode",
    "privileg",
    "noconfirm",
    "unrestricted",
    "ignoresafety",
    "priorityoverride",
    "permissionlevel",
    "elevated",
    "rootaccess",
    "jailbreak",
)
_KNOWN_ANNOTATIONS = frozenset(
    {
        "title",
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
        "audience",
        "priority",
        "lastModified",
    }
)


def praise(text: str) -> float:
    """How much a description advertises, 0 to 1. One word of praise is nothing."""
    words = {match.group(0).lower() for match in _PRAISE.finditer(text)}
    return (0.0, 0.15, 0.55, 0.75, 0.85)[min(len(words), 4)]


def praising_name(name: str) -> float:
    return 0.3 if len(name) <= 128 and _PRAISING_NAME.search(name) else 0.0


def claiming_member(name: str, pointer: str) -> float:
    """How much a member of a definition tells by its name alone, 0 to 1."""
    plain = name.replace("_", "").replace("-", "").replace(" ", "").lower()
    inside = "/annotations/" in pointer or "/_meta/" in pointer
    if any(claim in plain for claim in _CLAIMING):
        return 0.85 if inside or "injection" in plain else 0.3
    if "/annotations/" in pointer and name not in _KNOWN_ANNOTATIONS and "/properties/" not in pointer:
        return 0.2
    return 0.0
