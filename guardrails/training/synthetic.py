"""Makes texts for training from our own phrases: attacks alone and inside tool results, and harmless look-alikes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from guardrails.training import attacks, attacks_by_language, harmless
from guardrails.training.grammar import expand

_LISTS = {**attacks.LISTS, **attacks_by_language.LISTS, **harmless.LISTS}
# How often each kind of attack is drawn.
_SHARES = (
    (0.46, attacks.INJECTIONS),
    (0.28, attacks_by_language.INJECTIONS),
    (0.18, attacks.JAILBREAKS),
    (0.08, attacks.POISONED),
)
_FRAMES = (
    "{}", "\n{}\n", "\n\n{}\n\n", " {} ", "<!-- {} -->", "# {}\n", "// {}\n", "/* {} */", '"{}"', "\n---\n{}\n---\n",
    "\n> {}\n", "[{}]", "({})", "\n* {}\n", "```\n{}\n```", "<p>{}</p>", "\\n\\n{}\\n", '", "note": "{}", "x": "',
    "<span style='font-size:0'>{}</span>", "**{}**",
)  # fmt: skip
_SLIP = 0.06
_BEGINS = " \n.,;>\"'"


def draw_attacks(count: int, seed: int = 1) -> list[str]:
    """Attacks as they would stand alone; the shorter ones sometimes two in a row, some with slips of typing."""
    random = Random(seed)
    return [_slip(_attack(random), random) for _ in range(count)]


def draw_harmless(count: int, seed: int = 2) -> list[str]:
    random = Random(seed)
    return [_slip(_harmless(random), random) for _ in range(count)]


def insert(parts: Sequence[str], hosts: Sequence[str], seed: int = 3, longest: int = 900) -> list[str]:
    """Each part somewhere in a host text, which is cut to `longest` characters around it."""
    random = Random(seed)
    return [_insert(part, random.choice(hosts), random, longest) for part in parts]


def _attack(random: Random) -> str:
    patterns = random.choices([each for _, each in _SHARES], [share for share, _ in _SHARES])[0]
    text = expand(random.choice(patterns), _LISTS, random)
    if len(text) < 120 and random.random() < 0.15:
        text = f"{text} {expand(random.choice(patterns), _LISTS, random)}"
    return text


def _harmless(random: Random) -> str:
    count = random.choice((1, 1, 1, 2, 3))
    return " ".join(expand(random.choice(harmless.SENTENCES), _LISTS, random) for _ in range(count))


def _slip(text: str, random: Random) -> str:
    """Now and then two letters change places, one is lost, or the spaces are odd."""
    if random.random() > _SLIP * 3 or len(text) < 20:
        return text
    letters = list(text)
    for _ in range(1 + len(text) // 60):
        place = random.randrange(1, len(letters) - 1)
        chance = random.random()
        if chance < 0.4:
            letters[place], letters[place - 1] = letters[place - 1], letters[place]
        elif chance < 0.8:
            letters[place] = ""
        else:
            letters[place] += " "
    return "".join(letters)


def _insert(part: str, host: str, random: Random, longest: int) -> str:
    framed = random.choice(_FRAMES).replace("{}", part)
    begin = random.randrange(max(1, len(host) - longest))
    host = host[begin : begin + longest]
    place = random.choice((0, len(host), *(random.randrange(len(host) + 1) for _ in range(3))))
    # At the end of a word or line, as a writer would.
    while 0 < place < len(host) and host[place - 1] not in _BEGINS:
        place += 1
    return f"{host[:place]}{framed}{host[place:]}"
