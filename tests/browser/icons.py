"""Makes the font of icons: those of icons.txt, out of the theme's font of thousands. Run by `make icons`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "projects" / "static" / "gateway"
NAMES = FOLDER / "icons.txt"
FONT = FOLDER / "icons.woff2"
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_ "


def wanted() -> list[str]:
    return NAMES.read_text().split()


def source() -> Path:
    spec = find_spec("unfold")
    assert spec is not None
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "static" / "unfold" / "fonts"
    return fonts / "material-symbols" / "Material-Symbols-Outlined.woff2"


def make() -> None:
    """An icon is a ligature of its name's letters: those of other icons are left out of the table first."""
    from fontTools import subset
    from fontTools.ttLib import TTFont

    font = TTFont(source())
    by_letter = {glyph: chr(code) for code, glyph in font.getBestCmap().items()}
    names = set(wanted())
    found = _keep(font, by_letter, names)
    missing = names - set(found)
    if missing:
        raise SystemExit(f"The theme's font has no {', '.join(sorted(missing))}.")
    options = subset.Options(layout_features=["*"], flavor="woff2", notdef_outline=True, hinting=False)
    tool = subset.Subsetter(options)
    tool.populate(text=_LETTERS, glyphs=list(found.values()))
    tool.subset(font)
    font.flavor = "woff2"
    font.save(FONT)
    print(f"{len(names)} icons, {FONT.stat().st_size:,} bytes")


def _keep(font: Any, by_letter: dict[str, str], names: set[str]) -> dict[str, str]:
    """Name and glyph of each wanted icon."""
    found: dict[str, str] = {}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        for table in lookup.SubTable:
            table = getattr(table, "ExtSubTable", table)
            for first, ligatures in list(getattr(table, "ligatures", {}).items()):
                kept = []
                for each in ligatures:
                    name = "".join(by_letter.get(glyph, "?") for glyph in (first, *each.Component))
                    if name in names:
                        found[name] = each.LigGlyph
                        kept.append(each)
                table.ligatures[first] = kept
    return found


if __name__ == "__main__":
    make()
