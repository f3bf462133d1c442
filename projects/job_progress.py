"""How far a job is, in words, at a place that pages keep up to date while the job is open."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from gateway_site.lib.display import visible


def progress_in_words(done: int, total: int, text: str) -> str:
    return " ".join(part for part in (f"{done} of {total}" if total else "", visible(text)) if part)


def live_progress(number: int, state: str, done: int, total: int, text: str) -> SafeString:
    """Of an open job; static/projects/jobs.js finds it."""
    words = progress_in_words(done, total, text)
    return format_html('<span data-job="{}" data-state="{}">{}</span>', number, state, words)
