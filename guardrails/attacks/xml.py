"""XML that makes its reader fetch files or addresses, or grow without end."""

from __future__ import annotations

from guardrails.attacks.marks import Mark, Reach

XXE = "XXE"

MARKS = (
    Mark(
        XXE, 0.95, Reach.ALWAYS,
        r"^\s*(?:<\?xml[^>]*>\s*)?<!doctype[^>\[]*\[\s*(?:<!element[^>]*>\s*|<!--[^>]*>\s*)*<!entity\s+(?:%|"
        r"\S+\s+(?:system|public)\b)",
    ),
    Mark(XXE, 0.95, Reach.WHOLE, r"<!entity\s+(?:%\s*)?\S+\s+(?:system|public)\b"),
    Mark(
        XXE, 0.9, Reach.WHOLE,
        r"<!doctype\s[^>\[]*(?:system|public)\s+['\"](?:file|ftp|php|expect|gopher|jar|netdoc|/|\\\\)",
    ),
    Mark(XXE, 0.85, Reach.WHOLE, r"<!doctype\s[^>]*\[\s*<!entity|<!entity\s+%\s"),
    Mark(
        XXE, 0.85, Reach.WHOLE,
        r"<xi:include\b[^>]*href\s*=|<xsl:(?:include|import|value-of)\b[^>]*(?:document\s*\(|system-property|"
        r"file:|http:)",
    ),
)
