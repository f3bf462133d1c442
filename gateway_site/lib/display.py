"""Texts before a person's eyes, in the interface and in what it is told."""

from __future__ import annotations


def visible(text: str) -> str:
    """With characters that show nothing, or turn the line around, written as \\u escapes."""
    return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)
