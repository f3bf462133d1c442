"""Dates as people write them, for telling whether something is a day on which a person can have been born."""

from __future__ import annotations

import datetime

from guardrails.pii.given_names import fold
from guardrails.pii.reading import pattern

_MONTHS = {
    name: index + 1
    for index, names in enumerate((
        "jan january januar janvier enero ene gennaio gen janeiro januari stycznia styczen tammikuu leden ledna",
        "feb february februar fevrier fev febrero febbraio fevereiro februari lutego luty helmikuu unora",
        "mar march marz maerz mrz mars marzo marco maart marca marzec maaliskuu brezna",
        "apr april avril avr abril abr aprile kwietnia kwiecien huhtikuu dubna",
        "may mai mayo maggio mag maio mei maja maj toukokuu kvetna",
        "jun june juni juin junio giugno giu junho czerwca czerwiec kesakuu cervna",
        "jul july juli juillet julio luglio lug julho lipca lipiec heinakuu cervence",
        "aug august aout agosto ago augustus sierpnia sierpien elokuu srpna augusti",
        "sep sept september septembre septiembre settembre set setembro wrzesnia wrzesien syyskuu zari",
        "oct october oktober octobre octubre ottobre ott outubro out okt pazdziernika pazdziernik lokakuu rijna",
        "nov november novembre noviembre novembro listopada listopad marraskuu",
        "dec december dezember dez decembre diciembre dic dicembre dezembro grudnia grudzien joulukuu prosince",
    ))
    for name in names.split()
}  # fmt: skip
_SEPARATOR = r"[ ]?[-/. ][ ]?"
# A whole date, in any of the usual orders, at the place where it is looked for.
DATE = pattern(
    r"(?:(?:19|20)\d\d" + _SEPARATOR + r"\d{1,2}" + _SEPARATOR + r"\d{1,2}"
    r"|\d{1,2}" + _SEPARATOR + r"\d{1,2}" + _SEPARATOR + r"(?:(?:18|19|20)\d\d|\d\d)"
    r"|(?:19|20)\d\d\x{5e74}\d{1,2}\x{6708}\d{1,2}\x{65e5}"
    r"|\d{1,2}(?:st|nd|rd|th|er|\.|\x{ba})?[ -](?:(?:of|de|d[ei]l) )?[<LET>]{3,12}\.?,?[ -](?:(?:de|del|of)"
    r" )?(?:18|19|20)?\d\d"
    r"|[<LET>]{3,10}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:18|19|20)\d\d"
    r"|(?:19|20)\d{6})\b"
)


def is_birth_date(text: str) -> bool:
    """Whether it is a day between 1880 and 2035, in any order of day, month and year."""
    words = [word for word in _split(text) if word]
    if len(words) == 1 and words[0].isdigit() and len(words[0]) == 8:
        words = [words[0][:4], words[0][4:6], words[0][6:]]
    words = [word for word in words if word not in ("of", "de", "del", "di", "st", "nd", "rd", "th", "er")]
    months = [_MONTHS[word] for word in words if word in _MONTHS]
    numbers = [int(word) for word in words if word.isdigit() and len(word) <= 4]
    if months and len(numbers) == 2 and len(words) == 3:
        day, year = numbers if numbers[0] <= 31 else (numbers[1], numbers[0])
        return _is_day(_whole_year(year), months[0], day)
    if len(numbers) != 3 or len(words) != 3:
        return False
    if numbers[0] > 31:
        return _is_day(numbers[0], numbers[1], numbers[2])
    year = _whole_year(numbers[2])
    return _is_day(year, numbers[1], numbers[0]) or _is_day(year, numbers[0], numbers[1])


def _split(text: str) -> list[str]:
    """Words and numbers, apart."""
    words: list[str] = [""]
    for each in fold(text):
        if words[-1] and not (each.isdigit() == words[-1][-1].isdigit() and each.isalnum()):
            words.append("")
        if each.isascii() and each.isalnum():
            words[-1] += each
    return words


def _whole_year(year: int) -> int:
    return year + (1900 if year > 35 else 2000) if year < 100 else year


def _is_day(year: int, month: int, day: int) -> bool:
    if not 1880 <= year <= 2035:
        return False
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return True
