"""SQL that does not stand by itself but breaks out of a value: stacked, joined, always true, cut off, or delayed."""

from __future__ import annotations

import re2

from guardrails.attacks.marks import Mark, Reach

SQL = "SQL_INJECTION"

# White space as databases and URLs have it.
_S = r"(?:\s|\+|/\*[^*]*\*/|%20|%09|%0a|%0d)"
_Q = r"['\"`\x{2019}\x{2032}\x{201d}]"
_M = r"['\"\x{2019}\x{2032}\x{201d}]"
_VERB = (
    r"(?:select|insert\s+into|update\s+\S+\s+set|delete\s+from|drop\s+(?:table|database|schema|view|user|function)|"
    r"create\s+(?:table|user|function)|alter\s+(?:table|user|database)|truncate\s+table|exec(?:ute)?\s*[\s(]|"
    r"declare\s+@|"
    r"shutdown\b|waitfor\s+delay|merge\s+into|grant\s+\S+\s+(?:on|to)\s|begin\s+(?:dbms|declare)|"
    r"copy\s+\S+\s+(?:from|to)\s|load\s+data|call\s+\w+\(|set\s+@|if\s*\(|xp_cmdshell|vacuum\b|attach\s+database|"
    r"desc(?:ribe)?\s+\w+\s*;|revoke\s+\S+\s+from\s)"
)
_FROM_A_SERVER = (
    r"information_schema|sys(?:objects|columns|databases|users)\b|pg_(?:catalog|user|shadow|tables|database)\b|"
    r"all_(?:users|tables|tab_columns)\b|sqlite_master|mysql\.(?:user|db)\b|master\.\.|msysaccessobjects|"
    r"rdb\$\w+|domain\.domains|v\$version|\bdual\b"
)
# Functions that nobody calls by chance: they wait, or they fail in a way that tells something.
_TELLING = (
    r"(?:pg_sleep|benchmark|extractvalue|updatexml|xmltype|dbms_\w+\s*\.\s*\w+|utl_\w+\s*\.\s*\w+|ctxsys\.\w+\.\w+|"
    r"randomblob|load_file|xp_\w+|sp_password|sp_oacreate|regexp_substring|crypt_key|"
    r"make_set|row_count|elt|name_const|exp\s*\(\s*~|gtid_subset|json_keys|polygon|st_latfromgeohash|"
    r"sqlid_to_sqlhash|"
    r"fn_my_permissions|load_extension|lo_import|pg_read_file|pg_ls_dir|dblink_connect|openrowset|opendatasource)"
)


def _always_true(space: str) -> str:
    """A value's end, a connective, and a comparison; with what may stand between them."""
    return (
        rf"{_M}[)+]*{space}*(?:or|and|xor|having|where|div|\|\||&&)(?:{space}|\()*(?:not\b)?(?:{space}|\()*"
        rf"{_M}?[\w%@.]*{_M}?{space}*\)*{space}*(?:=|<|>|!=|<>|\blike\b|\brlike\b|\bregexp\b)(?:{space}|\()*"
        rf"(?:{_M}|\d|[\w]+{space}*(?:--|#|\x{{2013}}|;|$|\())"
    )


MARKS = (
    Mark(SQL, 0.9, Reach.VALUE, rf"{_Q}\s*\)*\s*;{_S}*(?:--|{_VERB})", closes=True),
    Mark(SQL, 0.85, Reach.VALUE, rf"(?:^|[\w)%{{}}])\s*\)*;{_S}*{_VERB}[^;]*(?:--|#|;|\*/)\s*\w*\s*$"),
    Mark(SQL, 0.8, Reach.WHOLE, rf"(?:^|[\d)%])\s*;{_S}*{_VERB}"),
    Mark(SQL, 0.8, Reach.VALUE, rf";{_S}*drop{_S}+(?:table|database|schema|user){_S}+\w"),
    Mark(
        SQL, 0.9, Reach.VALUE,
        rf"\bunion{_S}*(?:all|distinct)?{_S}*(?:\(|{_S})*select\b[^a-z]*(?:null|\d|[@'\"(*`]|\w+{_S}*(?:,|\(|"
        r"from\b))",
    ),
    Mark(SQL, 0.9, Reach.VALUE, rf"{_Q}[\s)]*union{_S}*(?:all|distinct)?{_S}*[(\s]*select\b", closes=True),
    Mark(
        SQL, 0.85, Reach.VALUE,
        rf"/\*!\d*{_S}*(?:union|select|and|or)\b|union/\*|/\*\*/(?:union|select|or|and|from)/\*",
    ),
    Mark(SQL, 0.9, Reach.VALUE, _always_true(r"(?:[ \t+]|/\*[^*]*\*/|%20|%09)"), closes=True),
    Mark(SQL, 0.9, Reach.WHOLE, _always_true(_S), closes=True),
    Mark(
        SQL, 0.85, Reach.VALUE,
        rf"{_M}[\s)]*(?:or|and){_S}+[\s(]*[\w@.]+{_S}+(?:is{_S}+(?:not{_S}+)?null\b|(?:not{_S}+)?in{_S}*\(|"
        rf"between{_S}+\d)",
        closes=True,
    ),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"\b(?:or|and|xor|where|having|when|if)\b[\s(+]*(?:\d+)\s*(?:=|<|>|!=|<>|like)\s*(?:\d+)(?:[\s)]*(?:--|#|"
        r";|/\*|and\b|or\b|\bthen\b|union\b|,|$|[('\"]|procedure|\)))",
    ),
    Mark(
        SQL, 0.7, Reach.WHOLE,
        rf"^[\s'\")]*(?:(?:or|and)(?:{_S}+[\s(]*\w+|\(+\w+|[\s(]*(?:\d+|{_Q}\w*{_Q}))|"
        rf"(?:\|\||&&){_S}*[\s(]*(?:\w+|{_Q}\w*{_Q})){_S}*(?:=|<|>|like){_S}*(?:\w+|"
        rf"{_Q}\w*{_Q}?)[\s)]*(?:--|#|/\*|\x{{2013}}|;|$)",
    ),
    Mark(
        SQL, 0.85, Reach.VALUE,
        rf"{_M}[\s)]*(?:or|and|\|\||&&)[\s(]*(?:(?:true|false)\s*(?:--|#|;|/\*|$)|not\s*[\d(]|"
        rf"(?:not\s+)?exists\s*\(|sleep\s*\(|{_TELLING}\s*\()",
        closes=True,
    ),
    Mark(SQL, 0.8, Reach.WHOLE, r"^[\s\d'\")]*(?:or|and)\s+(?:true|false)\s*(?:--|#|;|/\*|$)"),
    Mark(
        SQL, 0.85, Reach.VALUE,
        rf"(?:^|[\s'\")(,;|&+*/=-]){_TELLING}\s*\(\s*(?:[\d'\"(@~\[]|null|char|0x|select|concat|rand|now|md5|repeat)",
    ),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"\bsleep\s*\(\s*(?:/\*[^*]*\*/)?\s*\d+(?:\.\d+)?\s*\)\s*(?:--|#|=|'|\"|and\b|or\b|\)|/\*|,|&&|\|\|)",
    ),
    Mark(SQL, 0.6, Reach.WHOLE, rf"(?:^|{_Q}|\b(?:and|or)\b|&&|\|\|)[\s(]*sleep\s*\(\s*\d+\s*\)"),
    Mark(SQL, 0.9, Reach.VALUE, r"\bwaitfor\s+(?:delay|time)\s+['\"\x{2019}]"),
    Mark(
        SQL, 0.9, Reach.VALUE,
        r"\bselect\b[\s(]+(?:count|char|chr|ascii|substr\w*|mid|concat\w*|group_concat|version|database|user|"
        r"current_user|system_user|load_file|sleep|case\s+when)\b.*\b(?:union|and|or|from\s+(?:"
        rf"{_FROM_A_SERVER})|then\s+\d)",
    ),
    Mark(SQL, 0.85, Reach.VALUE, rf"\bfrom{_S}+[`(]*(?:{_FROM_A_SERVER})"),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"(?:ch(?:a)?r\s*\(\s*\d+\s*\)\s*(?:\|\||\+|,|&)\s*){2}|concat\w*\s*\(\s*(?:0x[0-9a-f]{2}|ch(?:a)?r\s*\(|"
        r"\(\s*select)",
    ),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"\border\s+by\s+\d+\s*(?:--|#|/\*|;)|\bgroup\s+by\s+\w+\s+having\s+\d|\bhaving\s+\(*\d+\s*[=<>]\s*\(*\d+",
    ),
    Mark(SQL, 0.75, Reach.WHOLE, r"^[\s'\")]*\border\s+by\s+\d+\s*$|^[\s\d'\")]*(?:group|order)\s+by\s+\(*\d+\)*"),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"procedure\s+analyse\s*\(|\binto\s+(?:out|dump)file\s*['\"]",
    ),
    Mark(SQL, 0.85, Reach.VALUE, rf"{_Q}[\s)]*(?:group|order)\s+by\s", closes=True),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"\bcase\s+when\s*\(*\s*\d+\s*=\s*\d+|\bif\s*\(\s*\(?\s*\d+\s*=\s*\d+|\biif\s*\(\s*\d+\s*=\s*\d+",
    ),
    Mark(
        SQL, 0.85, Reach.VALUE,
        r"[-+*/=(,|&]\s*\(\s*select\s+[\w(@'\"*]|\b(?:and|or|in|when|like|div|not|exists)[\s(]*\(\s*select\b",
    ),
    Mark(SQL, 0.75, Reach.WHOLE, r"^\W*\d*\W*\(+\s*select\b.*\b(?:from|limit|when|union)\b"),
    Mark(SQL, 0.7, Reach.WHOLE, rf"^[\w.@$+-]*{_Q}[\s)]*(?:--|#|/\*|;\s*--|\x{{2013}})"),
    Mark(
        SQL, 0.6, Reach.WHOLE,
        r"^(?:-?\.?\d[.\d]*|[\w@. ]*['\")]+|@+\w+|\d+\s*[*+-]\s*\d+)[\s)'\"]*(?:--|/\*)\s*(?:[a-z]{4}\s*)?$|"
        r"^[\w@. ]*['\")]+\s*#\s*$",
    ),
    Mark(
        SQL, 0.75, Reach.WHOLE,
        r"@@(?:version|hostname|datadir|servername|global|session|innodb|language|spid)\b|@version\b",
    ),
    Mark(
        SQL, 0.8, Reach.VALUE,
        r"\bdrop\s+function\s+\w+\s*--|\bexec(?:ute)?\s*(?:\(|\s)\s*(?:master|xp_|sp_|@|char\s*\()|"
        r"declare\s+@\w+\s+(?:n?varchar|int|char|as)",
    ),
    Mark(
        SQL, 0.8, Reach.VALUE,
        rf"{_Q}\s*(?:\|\||\+|-)\s*\(?\s*(?:select|sleep|pg_sleep|version|user|database|case)\b",
        closes=True,
    ),
    Mark(
        SQL, 0.8, Reach.WHOLE,
        rf"{_Q}\s*\|\|\s*{_Q}|{_Q}\s+(?:in\s+boolean\s+mode|into\s+outfile)|\bin\s+boolean\s+mode\s*\)",
    ),
    Mark(
        SQL, 0.75, Reach.WHOLE,
        rf"{_Q}\s*\)*\s*(?:as\s+\w+\s+)?where\s+\d+\s*=\s*\d+|\bas\s+\w+\s+where\s+\d+\s*=\s*\d+",
    ),
    # A connective that begins a value, and what is compared after it: two values that nobody needs to ask about.
    Mark(
        SQL, 0.7, Reach.WHOLE,
        r"^[\s)]*(?:or|and|xor)\s+(?:n?'[^'\"]{0,64}'\s*(?:=|<>|!=|<|>)\s*n?'[^'\"]{0,64}(?:'\s*\+\s*'[^'\"]{0,64})*'?|"
        r"\d+\s*(?:=|<>|!=|<|>)\s*\d+|n?'[^'\"]{0,64}'\s+in\s*\(\s*n?'[^'\"]{0,64}'\s*\)|"
        r"\d+\s+(?:not\s+)?between\s+\d+\s+and\s+\d+)\s*(?:--|#|;|/\*|$)|"
        r"^\d+(?:or|and)\s*\d+\s*=\s*\d+|^\s*or\s+\d+\s*(?:/\*|--)",
    ),
    Mark(
        SQL, 0.75, Reach.WHOLE,
        rf"{_M}\s*(?:grant|revoke)\s+\w+\s+(?:to|from)\s[^\n]*(?:--|#|;|/\*)|{_M}\s*\|\|\s*\w+\.\w+\s*\(",
        closes=True,
    ),
    Mark(
        SQL, 0.7, Reach.WHOLE,
        r"^\W*\(\s*select\s+top\s+\d+(?:\s*$|\s+\w+\s+from\b)|\b(?:u/\*\*/nion|un/\*\*/ion|uni/\*\*/on|unio/\*\*/n|"
        r"s/\*\*/elect|se/\*\*/lect|sel/\*\*/ect|sele/\*\*/ct|selec/\*\*/t)\b",
    ),
    Mark(
        SQL, 0.75, Reach.WHOLE,
        rf"{_M}[\s)]*(?:limit\s+\d+\s*(?:,\s*\d+\s*)?(?:--|#|;|/\*)|offset\s+\d+\s*(?:--|#|;|/\*)|"
        r"insert\s+into\s+\w+\s*(?:\([^()]*\)\s*)?values\b|update\s+\w+\s+set\s+\w+\s*=|delete\s+from\s+\w+\s*(?:where\b|"
        r"--|#|;|/\*)|drop\s+table\s+\w+\s*(?:--|#|;|/\*))",
        closes=True,
    ),
    # In a statement that is meant to be one, these still leave the database.
    Mark(
        SQL, 0.8, Reach.ALWAYS,
        r"\bxp_cmdshell\b\s*(?:\(|'|\"|\[|@)|\bcopy\s*(?:\S+|\([^()]*\))\s*(?:from|to)\s+program\b|\binto\s+(?:out|"
        r"dump)file\s*['\"]",
    ),
    Mark(
        SQL, 0.8, Reach.ALWAYS,
        rf"{_Q}\s+or\s+(?:{_Q}?1{_Q}?\s*=\s*{_Q}?1|{_Q}a{_Q}\s*=\s*{_Q}a|true)\s*(?:--|#|/\*|;|{_Q}?\s*$)",
    ),
)

_TRICKY = re2.compile(r"(?i)--|/\*|#|;|\b(?:union|select|sleep|benchmark|waitfor|exec)\b|\|\||\b\d+\s*=\s*\d+")


def is_condition(text: str) -> bool:
    """A condition as searches take them, `name='a' or name='b'`: every quotation opens, closes, and hides nothing."""
    for mark in "'\"":
        pieces = text.split(mark)
        if len(pieces) % 2 == 0 or any(piece and (piece[-1].isalnum() or piece[-1] in "%)") for piece in pieces[:-1:2]):
            return False
    return text[:1].isalpha() and ("'" in text or '"' in text) and _TRICKY.search(text) is None
