"""libinjection's two questions about a text: is it SQL injected into a query, is it script injected into a page.

The library comes inside libmodsecurity, whose operators @detectSQLi and @detectXSS ask it. Nothing else of
libmodsecurity is used: whoever replaces the package replaces this file.
"""

from __future__ import annotations

from functools import lru_cache

import libmodsecurity

_HEADER = "t"
_FORBIDDEN = 403


class _Question:
    """One operator. Holds rules, which are only read; every text gets a transaction of its own."""

    def __init__(self, operator: str) -> None:
        self._engine = libmodsecurity.ModSecurity()
        self._rules = libmodsecurity.RulesSet()
        loaded = self._rules.load(
            "SecRuleEngine On\nSecAuditEngine Off\n"
            f'SecRule REQUEST_HEADERS:{_HEADER} "@{operator}" '
            f'"id:1,phase:1,deny,status:{_FORBIDDEN},nolog,noauditlog"\n'
        )
        if loaded != 1:
            raise RuntimeError(f"libmodsecurity has no operator {operator}")

    def ask(self, text: str) -> bool:
        # A header is handed to the operator as it is: not decoded, not cut at a zero byte.
        transaction = libmodsecurity.Transaction(self._engine, self._rules, "t")
        transaction.add_request_header(_HEADER, text)
        transaction.process_request_headers()
        return transaction.intervention() is not None


@lru_cache(maxsize=2)
def _question(operator: str) -> _Question:
    return _Question(operator)


def is_sql_injection(text: str) -> bool:
    """The text must be free of lone surrogates. Time is in proportion to its length; safe in threads."""
    return _question("detectSQLi").ask(text)


def is_script_injection(text: str) -> bool:
    """As `is_sql_injection`, for HTML and the scripts in it."""
    return _question("detectXSS").ask(text)
