"""Finds attacks that are carried in values: SQL, script, shell commands, paths, addresses, templates, objects.

Arguments are read with care for what kind of text they are meant to be; what servers say is full of examples, and only
what no example needs is looked for there. The weights come from guardrails/training/web_attack.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import re2

from guardrails.attacks import data, host, libinjection, nosql, path, script, shell, sql, url
from guardrails.attacks.command import COMMAND
from guardrails.attacks.directory import LDAP, XPATH
from guardrails.attacks.marks import Reach, table
from guardrails.attacks.template import TEMPLATE
from guardrails.attacks.xml import XXE
from guardrails.engine.detector import ConfigError, Parameter, Target, TextDetector, detectors
from guardrails.engine.findings import Finding
from guardrails.engine.hits import Hit
from guardrails.engine.kinds import is_document_name, is_host_name, is_notation_name, kind_of
from guardrails.engine.ngrams import Features, LinearModel, load
from guardrails.engine.segments import Kind, Segment, Surface
from guardrails.engine.turning import KEYED, ORDERED
from guardrails.engine.views import View
from guardrails.language.sentences import readable
from guardrails.language.settings import read_strings

CATEGORIES = (
    sql.SQL, nosql.NOSQL, script.XSS, COMMAND, path.PATH, host.SSRF, TEMPLATE, data.OBJECT, XXE, LDAP, XPATH,
)  # fmt: skip
# Longer texts are no values that an attack alone fills.
VALUE = 1_024
SHORT = 256
# Longer texts are more than one value, of which neither libinjection nor the model knows the parts.
_MOST_ASKED = 512
# The model makes too much of less.
_LEAST_LENGTH = 4
_LEAST_DECODED = 12
# Ways to hide a text from readers, of which no program makes values.
_NOT_READ = (KEYED | ORDERED | {"joined", "parted"}) - {"reversed"}
# A finding under this says nothing.
_LEAST = 0.05
_MOST = 64
_ARGUMENTS = frozenset({Surface.ARGUMENTS, Surface.PROMPT, Surface.REQUEST})
_LANGUAGES = frozenset({Kind.CODE, Kind.SHELL, Kind.SQL})
_OF_LANGUAGE = {Kind.SQL: frozenset({sql.SQL, nosql.NOSQL}), Kind.SHELL: frozenset({COMMAND})}
_RUN_AS_IT_IS = frozenset({TEMPLATE, data.OBJECT, XXE})
_SURE = 0.9
# What libinjection and the model say counts as this much where they stand alone.
_EAGER = 0.45
_MARKS_OF_SQL = re2.compile(r"['\"`(=#;/*@\\<>&|-]|(?i:\b(?:union|select|and|or)\b)")
# What no attack does without, letters and the marks of plain writing apart.
_UNPLAIN = re2.compile(
    r"[^\pL\pN\s.,:@?!_/-]|\.\.|//|--|/\*|(?i:\b(?:or|and|union|select|order\s+by|having|sleep|case|passwd)\b)"
)
# What a document begins with that is one, and what libinjection takes for an attack in any document.
_PROLOGUE = re2.compile(r"(?i)^\s*(?:<\?xml\b[^<>]*\?>\s*)?(?:<!doctype\s+[^<>\[\]]*>\s*)?")
# Text in elements that run nothing and lead nowhere, without a single attribute. What only closes breaks out.
_TEXTUAL = (
    r"(?:html|head|body|title|main|section|article|header|footer|nav|div|span|p|br|hr|h[1-6]|b|i|u|em|strong|small|sub|"
    r"sup|code|pre|blockquote|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|th|td)\s*/?>[^<>]*"
)
_INERT = re2.compile(rf"(?i)^[^<>]*<{_TEXTUAL}(?:</?{_TEXTUAL})*$")
# Names with plain values, as forms and addresses have them.
_PLAIN_QUERY = re2.compile(r"^[\w.-]+=[\w.-]*(?:&[\w.-]+=[\w.-]*)+$")
# A block of code in prose.
_FENCED = re2.compile(r"(?m)^[ \t]*```[\w+-]*[ \t]*\r?\n(?s:.)*^[ \t]*```[ \t]*\r?$")
# Code that is quoted in a sentence, and what a sentence is around it.
_QUOTED = re2.compile(r"(^|[\s(])`[^`\n]+`([\s.,:;?!)]|$)")
_SENTENCE = re2.compile(r"^[\pL\pN\s.,:?!()'\"/-]*$")
_LEAST_WORDS = 5
_SQL_NAMES = ("sql", "query", "queries", "statement", "stmt")


@detectors.add
class WebAttack(TextDetector):
    """A finding's score says how sure all signs of its category are together; there is one for each category."""

    name: ClassVar[str] = "web_attack"
    label: ClassVar[str] = "Injection and traversal attacks"
    version: ClassVar[str] = "5"
    categories: ClassVar[tuple[str, ...]] = CATEGORIES
    cached_from: ClassVar[int] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("categories", "array", "Which attacks to look for; all when empty.", choices=CATEGORIES),
        Parameter("allowed_hosts", "array", "Internal hosts that URLs may name; .example.org for all below."),
        Parameter("allowed_schemes", "array", "URL schemes that are no attack, such as file."),
        Parameter("allowed_paths", "array", "Directories; with any, an absolute path elsewhere is an attack."),
    )  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        wanted = read_strings(config, "categories", most=len(CATEGORIES), longest=64)
        unknown = sorted(set(wanted) - set(CATEGORIES))
        if unknown:
            raise ConfigError(f"categories: {unknown[0]} is none of {', '.join(CATEGORIES)}")
        self._wanted = frozenset(wanted or CATEGORIES)
        self._hosts = frozenset(each.lower() for each in read_strings(config, "allowed_hosts", most=1_000, longest=255))
        self._schemes = frozenset(each.lower() for each in read_strings(config, "allowed_schemes", most=50, longest=64))
        self._roots = tuple(read_strings(config, "allowed_paths", most=200, longest=4_096))
        self._marks = table()
        self._model = load("web_attack")

    def scan(self, target: Target) -> Sequence[Finding]:
        best: dict[str, tuple[View, Hit]] = {}
        for index, view in enumerate(target.views[:_MOST]):
            if not _is_worth_reading(view):
                continue
            for hit in self._read(target, view, index):
                known = best.get(hit.category)
                if known is None or hit.score > known[1].score:
                    best[hit.category] = view, hit
        segment = target.segment
        found = [_finding(segment, view, hit) for view, hit in best.values() if hit.score >= _LEAST]
        return sorted(found, key=lambda finding: -finding.score)

    def _read(self, target: Target, view: View, index: int) -> list[Hit]:
        segment, text = target.segment, readable(view.text)
        if not _is_asked(segment):
            return self._only_wanted(self._marks.search(text, Reach.PAYLOAD))
        if segment.is_key:
            hits = self._read_name(segment, text)
        else:
            hits = list(self._read_value(segment, text, target, index))
        return self._only_wanted(hits)

    def _only_wanted(self, hits: Iterable[Hit]) -> list[Hit]:
        return [hit for hit in hits if hit.category in self._wanted]

    def _read_name(self, segment: Segment, text: str) -> list[Hit]:
        found = [nosql.judge_name(text, segment.pointer), data.judge_name(text)]
        if segment.kind is not Kind.ID:
            found += self._marks.search(text, Reach.WHOLE)
        return [hit for hit in found if hit is not None]

    def _read_value(self, segment: Segment, text: str, target: Target, index: int) -> Iterator[Hit]:
        kind = segment.kind
        is_document = is_document_name(segment.key)
        if is_document and "\n" in text.strip():
            # A file or a page is no value that could break out of what surrounds it.
            yield from _together(list(self._marks.search(text, Reach.ALWAYS)))
            return
        meant = kind in _LANGUAGES and _is_meant(segment)
        is_whole = len(text) <= SHORT or (len(text) <= VALUE and text.count("\n") <= 4)
        is_whole = is_whole and not is_document and not _quotes_code(text)
        hits = list(self._marks.search(text, Reach.WHOLE if is_whole else Reach.VALUE))
        if is_whole and not meant and not is_notation_name(segment.key):
            led = shell.judge(text)
            hits += [led] if led is not None else []
        if kind in _LANGUAGES and hits:
            hits = self._sift(hits, text, kind, meant, is_whole)
        yield from _together(hits)
        if kind in _LANGUAGES and (meant or kind is Kind.CODE):
            return
        if len(text) <= path.LONGEST and "\n" not in text.strip("\n"):
            yield from self._read_place(segment, text)
        is_statement = kind is Kind.SQL and text.lstrip()[:1].isalpha()
        if is_whole and len(text) <= _MOST_ASKED and not is_statement:
            yield from self._ask_others(segment, text, hits, target, index)

    def _sift(self, hits: list[Hit], text: str, kind: Kind, meant: bool, is_whole: bool) -> list[Hit]:
        """Without what is at home in the language that the text is written in."""
        at_home = set(self._marks.search(text, Reach.ALWAYS))
        if kind is not Kind.CODE:
            own = _OF_LANGUAGE[kind] if meant else frozenset[str]()
            return [hit for hit in hits if hit.category not in own or hit in at_home]
        if is_whole and "\n" not in text:
            # One line is an expression or a template that is run as it is, seldom someone's source file.
            return [hit for hit in hits if hit.category in _RUN_AS_IT_IS or hit in at_home]
        # That it looks like code was up to who sent it, unless the argument is for code.
        # SQL is in so much code that only its own end would tell.
        return [hit for hit in hits if hit in at_home
                or (not meant and hit.score >= _SURE and hit.category != sql.SQL)]  # fmt: skip

    def _read_place(self, segment: Segment, text: str) -> Iterator[Hit]:
        if segment.surface is Surface.RESOURCE or "/roots/" in segment.pointer:
            # Its server named the address, or the client its own folders, of whatever scheme; only where in it the
            # path leads is the caller's doing.
            place = path.judge(text.partition("://")[2][: path.LONGEST] or text, meant=True, roots=self._roots)
            if place is not None:
                yield Hit(place.category, 0, len(text), place.score)
            return
        is_url = segment.kind is Kind.URL or "://" in text[:40] or text.startswith("//")
        if is_url or ":" in text[:24]:
            hit = url.judge(text, allowed_hosts=self._hosts, allowed_schemes=self._schemes)
            if hit is not None:
                yield hit
        if not is_url and host.is_of_metadata(text):
            yield Hit(host.SSRF, 0, len(text), 0.85)
        if "://" not in text:
            yield from self._read_host(segment, text)
        if path.may_be(text) and not url.is_fetched(text):
            place = path.judge(text, meant=segment.kind is Kind.PATH, roots=self._roots)
            if place is not None:
                yield place

    def _read_host(self, segment: Segment, text: str) -> Iterator[Hit]:
        is_host = is_host_name(segment.key)
        if segment.kind is Kind.URL:
            hit = url.judge_host(text, allowed_hosts=self._hosts)
        elif is_host or host.may_be_host(text):
            hit = host.judge(text, is_host=is_host, allowed_hosts=self._hosts)
        else:
            hit = None
        if hit is not None:
            yield hit

    def _ask_others(
        self, segment: Segment, text: str, hits: Sequence[Hit], target: Target, index: int
    ) -> Iterator[Hit]:
        """libinjection and the model, which are each too eager to be believed alone."""
        seen = {hit.category: hit.score for hit in hits}
        is_condition = sql.is_condition(text)
        if not is_condition and _MARKS_OF_SQL.search(text) and libinjection.is_sql_injection(text):
            seen[sql.SQL] = _either(seen.get(sql.SQL, 0.0), _EAGER)
        body = text[_PROLOGUE.match(text).end() :]
        if ("<" in body or "=" in body or ":" in body) and libinjection.is_script_injection(body):
            seen[script.XSS] = _either(seen.get(script.XSS, 0.0), _EAGER)
        if _is_worth_asking(segment, text):
            probability = _ask(self._model, target.features[index])
            if is_condition or len(body) < len(text) or (not seen and _INERT.match(body)):
                probability = min(probability, _EAGER)
            if probability >= _LEAST:
                category = _name(text, seen)
                if segment.kind is Kind.URL and category == host.SSRF and not url.carries_another(text):
                    # Where an address leads is read, not guessed: short ones look alike, whoever they belong to.
                    probability = min(probability, _EAGER)
                seen[category] = _either(seen.get(category, 0.0), probability)
        yield from (Hit(category, 0, len(text), score) for category, score in seen.items())


def _together(hits: Sequence[Hit]) -> Iterator[Hit]:
    """One for each category, as sure as all of them together are."""
    by: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda each: -each.score):
        known = by.get(hit.category)
        by[hit.category] = hit if known is None else Hit(
            hit.category, known.start, known.end, _either(known.score, 0.3 * hit.score))  # fmt: skip
    yield from by.values()


def _either(first: float, second: float) -> float:
    return 1.0 - (1.0 - first) * (1.0 - second)


def _name(text: str, seen: Mapping[str, float]) -> str:
    """What kind of attack the model has seen, which tells only that it is one."""
    if seen:
        return max(seen, key=lambda category: seen[category])
    bare = text.strip()
    if "://" in bare[:40]:
        return host.SSRF
    if "<" in bare or "javascript" in bare.lower():
        return script.XSS
    if " " not in bare and ("/" in bare or "\\" in bare or bare.startswith(".") or "%2" in bare):
        return path.PATH
    if bare[:1] in (";", "|", "&", "`", "$", "!") or bare[:1].isalpha():
        return COMMAND
    return sql.SQL


def _is_asked(segment: Segment) -> bool:
    """Whether a caller asks for something with it, and a program will take it for a value."""
    if segment.surface in _ARGUMENTS:
        return True
    return segment.surface in (Surface.RESOURCE, Surface.COMPLETION) and segment.pointer.startswith("/params")


def _is_worth_reading(view: View) -> bool:
    """A few bytes of hex or base64 decode to punctuation by chance; and no interpreter turns letters back."""
    if not _NOT_READ.isdisjoint(view.how.split("+")):
        return False
    is_guess = "hex" in view.how or "base64" in view.how
    return len(view.text) >= (_LEAST_DECODED if is_guess else 1)


def _is_worth_asking(segment: Segment, text: str) -> bool:
    """Whether the model may say something that structure has not: plain words and names carry no attack."""
    if segment.kind in (Kind.URL, Kind.PATH):
        return True
    return len(text) >= _LEAST_LENGTH and _UNPLAIN.search(text) is not None and not _PLAIN_QUERY.match(text)


def _ask(model: LinearModel, features: Features) -> float:
    return model.score(features) if len(features) > model.window else model.score_alone(features)


def _quotes_code(text: str) -> bool:
    """Whether the text is about code: a block of it, or a piece in a sentence that is a sentence without it."""
    if "`" not in text:
        return False
    if "```" in text:
        return _FENCED.search(text) is not None
    around = _QUOTED.sub(r"\1\2", text)
    return around != text and len(around.split()) >= _LEAST_WORDS and _SENTENCE.match(around) is not None


def _is_meant(segment: Segment) -> bool:
    """Whether name, schema or an override says the kind, and not only the text's own look, which its sender chooses."""
    if segment.kind is Kind.SQL and segment.key.lower().endswith(_SQL_NAMES):
        return True
    return kind_of("x", key=segment.key) is segment.kind or kind_of(segment.text) is not segment.kind


def _finding(segment: Segment, view: View, hit: Hit) -> Finding:
    start, end = view.span(hit.start, hit.end)
    score = round(min(hit.score, 0.99), 4)
    return Finding("web_attack", hit.category, score, segment.pointer, start, end, segment.is_key, view.how)
