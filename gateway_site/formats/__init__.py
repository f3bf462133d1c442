"""How dates are written, for each language: Django finds `<language>/formats.py` here."""
