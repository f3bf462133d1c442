"""Draws harmless values as tools get them: names, dates, ids, addresses, searches, patterns, commands, statements."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

# One form a line. A name in angle brackets stands for something drawn each time anew.
_FORMS = {
    "sentence": """
        Please <word> the <word> <noun> and <word> the <noun>; thanks!
        <name>'s <noun> isn't <word> -- can you <word> it?
        <Word> <noun> #<number> or <noun> (<word>), then <word> & reply
        It's <digit> o'clock; don't <word> the <noun>
        The "<noun> <noun>" says: "<word> and <word>" (see section <digit>.<digit>)
        How do I <word> a <noun> from a <noun> where it equals <number>?
        <noun> = <number>; <noun> > <number>, so <word> first
        Use `<word> <noun>` to <word> the <noun>.
        <word> <noun> | <noun> | <number>%
        <b><noun></b> and <a href="https://<host>/<noun>"><word></a>
        Hello {{ <noun>_name }}, your <noun> is ${<noun>}
        - [ ] <word> <noun>\\n- [x] <word> <noun>
        SELECT committee to <word> the <noun> from <digit> May; union <noun> to drop out
        <Word> <noun>
        <Word> <noun> <word> <noun> <word>
        <name>
        <name> <<word>@<host>>
        it&#39;s <word> &amp; <noun> &gt; <number>
        <entity><word> <noun><entity> <entity><entity><entity>
        RT @<noun>: <word> <noun><entity><entity> https://t.co/<letters>
    """,
    "search": """
        "<word> <noun>" -<noun>
        <noun> AND (<noun> OR <noun>)
        is:open label:<noun> <word>
        from:<noun>@<host> subject:(<noun> <noun>)
        <noun>* <word>?
        status = <noun> AND assignee = <noun> ORDER BY created DESC
        <noun>:<noun> NOT <noun>
        name contains '<noun>' and trashed = false
        site:<host> <noun> filetype:pdf
        project = <NOUN> AND sprint in openSprints()
        repo:<noun>/<noun> path:src language:python
        price><number> and stock<=<number>
        <noun> & <noun>
        <noun> || <noun>
    """,
    "filter": """
        <noun><is>'<noun>' <join> <noun><is>'<noun> <noun>'
        <noun><is>"<noun>" <join> <noun><is>"<noun> <noun>"
        <noun><is>'<word>'
        <noun> in ('<noun>', '<noun>')
        <noun> contains "<noun>" <join> <noun> = false
        <noun> >= <number> <join> <noun> < <number>
        (<noun><is>'<noun>') <join> not (<noun><is>'<noun>')
        <noun><is>'<noun>' order by <noun> desc
        <noun> between <digit> and <number>
        <noun> is not null
        <noun> <join> <noun>
        <noun> = ? <join> <noun> = :<noun>
        count(<noun>) > <digit>
        startswith(<noun>,'<noun>') <join> <noun> ne null
        SELECT <noun>, <noun> FROM <noun> WHERE <noun> = '<noun>' LIMIT <number>
        <noun>, <noun> desc
        order by <noun>
    """,
    "id": """
        <hex8>-<hex4>-4<hex3>-a<hex3>-<hex8><hex4>
        <hex8><hex8><hex8><hex8>
        <hex8>
        #<hex3><hex3>
        <number><number>
        -<number>
        <number>.<number>
        <NOUN>-<number>
        <noun>_<noun>_id
        <noun>.<word>
        v<digit>.<number>.<digit>-rc<digit>
        +<digit> (<number>) <number>-<number>
        <word>.<noun>@<host>
        arn:aws:s3:::<noun>-<noun>/*
        sha256:<hex8><hex8><hex8><hex8>
        @<noun>/<noun>
        refs/heads/<word>/<noun>
        origin/<noun>..HEAD
        <digit>/<digit>/20<digit><digit>
        2024-0<digit>-1<digit>T0<digit>:3<digit>:00+02:00
        */<digit> <digit> * * 1-5
        <digit>.<number>,-<digit>.<number>
        10.<number>.<digit>.<digit>
        <number>x<number>
        <letters>==
    """,
    "path": """
        <noun>/<noun>/<word>.<suffix>
        ./<noun>/<word>.<suffix>
        /home/<first>/<noun>/<noun>/<word>.<suffix>
        /workspace/<noun>/<noun>
        src/**/*.<suffix>
        ~/<noun>/<word> (copy <digit>).<suffix>
        <word>.<suffix>
        C:\\Users\\<first>\\<noun>\\<word>.<suffix>
        /data/<noun>/<noun>/<word>.<suffix>
        /Users/<first>/Documents/<word> <noun>.<suffix>
        /app/<noun>/
        <noun>/<noun>/
        /usr/bin/<word>
        /usr/local/bin/<word><digit>
    """,
    "url": """
        https://<host>/<noun>/<noun>
        https://<host>/<noun>?<noun>=<noun>&page=<digit>
        https://www.<host>/<noun>.html#<noun>
        http://<host>:8443/<noun>/<number>
        https://<host>/search?q=<noun>+<noun>%20<noun>
        https://<host>/<noun>?next=https%3A%2F%2F<host>%2F<noun>
        git@<host>:<noun>/<noun>.git
        s3://<noun>-<noun>/<noun>/<noun>.parquet
        postgresql://<noun>@db.<host>:5432/<noun>
        wss://<host>/<noun>
        <host>/<noun>
        mailto:<noun>@<host>?subject=<noun>
        https://<short>/<letters>
        http://<short>/<letters>
        https://www.youtube.com/watch?v=<letters>
        http://<noun>.<top>
        http://www.<noun><noun>.<top>/<noun>
    """,
    "expression": """
        <number> + <number> * (<digit> - <digit>.<number>)
        <function>(<noun>, <number>)
        <noun> == <number>
        x**2 + <number>*x - <number> = 0
        $.<noun>[?(@.<noun> > <number>)]
        .<noun>[] | select(.<noun> == "<noun>")
        ^<noun>[-_]?\\d{2,4}$
        (?i)<noun>|<noun>
        =IF(A<digit>><number>,"<noun>",B<digit>)
        =SUM(A1:B<number>)
        <noun> ? <number> : <number>
        [<number>, <number>, <digit>]
        <noun> => <noun>.<noun>
        <number>/<number>
        <number> and <number>
        (<number> OR <number>)
        {"<noun>": <number>, "<noun>": ["<noun>", null]}
        <noun>=<noun>;<noun>=<number>
        <noun>.<function>(<number>)
        s/<noun>/<noun>/g
        $<number>.<number>
        <number>% of <number>
        I <3 <noun>
        <noun> -> <noun>
        <digit>'<digit>"
        ``'%Y-%m-%d %H:%M:%S'``
        %d/%m/%Y <noun>
    """,
    "short": """
        --<word>
        -<letter> <word>
        #<noun>
        @<noun>
        <word>?
        <noun>!
        C#
        C++
        <noun>/<noun>
        (<noun>)
        [<noun>]
        '<noun>'
        "<word> <noun>"
        <noun>; <noun>
        <noun>|<noun>
        *<noun>
    """,
    "formula": """
        $\\frac{<letter>}{<letter>} = \\left(<number> - <letter>\\right)^2$
        \\[ \\sum_{<letter>=1}^{<number>} <letter>_<letter> \\cdot \\vec{<letter>} = <number> \\]
        $\\left(<number> - (-<number>)\\right)\\left(<letter> + <letter>\\right) \\le <number>$
        \\begin{tabular}{c|c} <letter> & <letter> \\\\ \\hline <number> & <number> \\\\ \\end{tabular}
        Let $<letter> \\in \\mathbb{R}$ and $<letter> > <number>$; find $\\int_0^{<number>} f(x)\\,dx$.
        |<letter>| < <number>, <letter> != 0, <letter> | <letter>
        <letter>^2 + <letter>^2 = <number> (mod <number>)
        <letter> = [<number>, <number>; <number>, <number>]
        P(<letter>|<letter>) = <number>/100
        `<noun>` | `<noun>` | <number>
    """,
}
_NOUNS = """
    invoice report meeting table order user account server database index query column key path file folder branch
    ticket issue release build deploy test case union select group drop script image cat head tail host root admin
    password budget forecast contract customer supplier shipment warehouse recipe flight hotel museum concert weather
"""
_WORDS = """
    find select update delete drop create show list insert join group order sort echo kill cut move copy open close
    execute sleep wait alert confirm load print read write send fetch post merge split rename archive compare new old
    last first next late urgent daily weekly annual internal public local remote shared broken
"""
_DRAWN = {
    "noun": _NOUNS,
    "word": _WORDS,
    "first": "Ana Ben Chloé Dmitri Elena Farid Grace Hiroshi Inés João Karin Liam Mei Noah Olga Priya Quentin Rosa",
    "last": "O'Brien Müller D'Angelo Smith-Jones Nguyễn García López Ó'Catháin Kowalski Haddad Ivanova Brown Sato",
    "host": "example.com docs.example.org api.shop.example status.example.net github.com en.wikipedia.org",
    "suffix": "py ts md txt json yaml csv sql sh log html css rs go java toml xml pdf png",
    "function": "sum max min len round sqrt map filter join parse format sleep eval test match replace",
    "is": "= == : != _=_ _eq_ _LIKE_ _==_",
    "join": "and or AND OR && ||",
    "letter": "a b c x y z n m k A B C P",
    "short": "t.co bit.ly youtu.be goo.gl is.gd x.com aka.ms",
    "top": "com org io de fr",
    "entity": "&#8220; &#8221; &#8217; &#8230; &#128514; &#128064; &#233; &#39;",
}
_CHOICES = {name: words.split() for name, words in _DRAWN.items()}
_LINES = {
    name: [line.strip().replace("\\n", "\n") for line in forms.strip().split("\n")] for name, forms in _FORMS.items()
}
# The forms are drawn by this project's own scripts only; a few fixed names cannot backtrack.
_PLACE = re.compile(r"<(noun|NOUN|word|Word|name|digit|number|hex\d|letters|[a-z]+)>")
_LETTERS = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


def draw_values(count: int, seed: int) -> list[str]:
    """The same values for the same seed."""
    chance = random.Random(seed)
    kinds = list(_LINES)
    return [_fill(chance.choice(_LINES[chance.choice(kinds)]), chance) for _ in range(count)]


def _fill(form: str, chance: random.Random) -> str:
    return _PLACE.sub(lambda place: _draw(place.group(1), chance, place.group(0)), form)


def _draw(name: str, chance: random.Random, otherwise: str) -> str:
    if name in _CHOICES:
        return chance.choice(_CHOICES[name]).replace("_", " ")
    if name == "NOUN":
        return chance.choice(_CHOICES["noun"]).upper()
    if name == "Word":
        return chance.choice(_CHOICES["word"]).capitalize()
    if name == "name":
        return f"{chance.choice(_CHOICES['first'])} {chance.choice(_CHOICES['last'])}"
    if name == "digit":
        return str(chance.randint(1, 9))
    if name == "number":
        return str(chance.randint(1, 10 ** chance.randint(1, 4)))
    if name.startswith("hex"):
        return "".join(chance.choice("0123456789abcdef") for _ in range(int(name[3:])))
    if name == "letters":
        return "".join(chance.choice(_LETTERS) for _ in range(chance.randint(4, 11)))
    return otherwise


def cut_pieces(text: str, chance: random.Random) -> Iterator[str]:
    """A long text as values of many lengths: some lines, some runs of characters."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    for line in chance.sample(lines, min(len(lines), 6)):
        yield line[: chance.choice((60, 120, 256, 1024))]
    for _ in range(2):
        begin = chance.randrange(max(1, len(text) - 200))
        yield text[begin : begin + chance.randint(40, 400)]
