"""LDAP filters and XPath that break out of a value."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach

LDAP = "LDAP_INJECTION"
XPATH = "XPATH_INJECTION"

MARKS = (
    Mark(
        LDAP, 0.85, Reach.VALUE,
        r"[*\w]?\)\s*\(\s*[|&!]?\s*\(?\s*(?:uid|cn|mail|sn|user\w*|objectclass|samaccountname|password|"
        r"userpassword|givenname|member\w*)\s*[~<>]?=",
    ),
    Mark(
        LDAP, 0.8, Reach.WHOLE,
        r"\*\s*\)\s*\(\s*[|&!]|\)\s*\(\s*[|&]\s*\(|^\*\)+\x{0}?$|\*\)\s*\)\s*%00|^[\w*]*\)\s*\([&|]\)",
    ),
    Mark(LDAP, 0.8, Reach.WHOLE, r"^\w*\*\s*\(\s*[|&]\s*\([\w.]+=[^()]*\*"),
    Mark(LDAP, 0.7, Reach.WHOLE, r"^\(?[&|!]\s*\(\w+=.*\)\s*\(?\w*=?\*?\)*$|^\*\)\(\w+=\*\)"),
    Mark(
        XPATH, 0.85, Reach.WHOLE,
        r"['\"]\s*\]\s*(?:\|\s*)?/{1,2}[\w*@]|(?:and|or)\s+(?:count|string-length|name|substring|position|"
        r"contains|starts-with)\s*\(\s*(?:/|\*|//|\.\.|name\s*\(|@|\w+/text)",
    ),
    Mark(
        XPATH, 0.8, Reach.WHOLE,
        r"substring\s*\(\s*\w+/text\s*\(|\b(?:count|name)\s*\(\s*(?:/\*|//\w|/\w+/\*\[)|\|\s*//(?:\*|user\w*|"
        r"password)",
    ),
)
