"""Postal addresses: whether a value is one, and where one stands in a sentence."""

from __future__ import annotations

from collections.abc import Iterator

from guardrails.language.words import word_set
from guardrails.pii.reading import Reading, pattern

_LONGEST = 200

_CAP = r"[<CAP>][<LET>'\x{2019}\-]*\.?"
_MORE = (
    r"(?:[ ](?:(?:de|da|do|das|dos|du|des|del|della|dei|di|d'|la|le|les|el|los|von|van|der|den|of|the|e|y|i|et"
    r"|und) ?){0,3}" + _CAP + r")"
)
_NUMBER = r"\d{1,5}(?:[ ]?[A-Za-z]\b)?(?:[ ]?[-/][ ]?\d{1,5}[A-Za-z]?)?"
_EN_STREETS = (
    "Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Place|Pl|Square|Sq"
    "|Terrace|Ter"
    "|Parkway|Pkwy|Highway|Hwy|Crescent|Cres|Close|Gardens|Grove|Mews|Row|Walk|Way|Alley|Plaza|Trail|Trl"
    "|Turnpike|Loop"
    "|Expressway|Freeway|Bypass|Estate|Estates|Wharf|Quay|Broadway|Heights|Hill|Hills|Rise|View|Vale|Green"
    "|Park|Parade"
    "|Esplanade|Route|Rte|Path|Pass|Passage|Pike|Ridge|Junction|Crossing|Fork|Forks|Mill|Mills|Motorway|Overpass"
    "|Station|Summit|Track|Trace|Tunnel|Union|Valley|Viaduct|Village|Ville|Vista|Meadow|Meadows|Manor|Mount|Neck"
    "|Orchard|Point|Points|Port|Prairie|Ranch|Rapids|River|Shoals|Shore|Shores|Spring|Springs|Spur|Stream|Extension"
    "|Falls|Ferry|Field|Fields|Flat|Flats|Ford|Forest|Forge|Garden|Gateway|Glen|Harbor|Haven|Hollow|Inlet|Island|Isle"
    "|Key|Knoll|Lake|Land|Landing|Light|Lock|Lodge|Burg|Burgs|Brook|Brooks|Canyon|Cape|Causeway|Center|Cliff|Club"
    "|Common|Corner|Corners|Course|Cove|Creek|Crest|Curve|Dale|Dam|Divide|Bend|Bluff|Bottom|Branch|Bridge|Camp"
)
_US_SHORT = (
    "Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Place|Pl|Square|Sq|Terrace|Ter"
    "|Parkway|Pkwy|Highway|Hwy|Crescent|Cres|Close|Gardens|Grove|Mews|Row|Way|Alley|Plaza|Trail|Turnpike"
    "|Broadway|Walk"
)
_UNIT = (
    r"(?:[ ,\n]{1,3}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|Studio|Appartamento|Piano|Puerta"
    r"|Piso|Wohnung|Whg|Etage|m\.|lok\.|bus)\.?[ ]?#?[\w\-]{1,6}|[ ,]{1,2}#[ ]?\d{1,5})?"
)
_STATE_ZIP = r"(?:[ ,\n]{1,3}[A-Z]{2}[ ,]{1,2}\d{5}(?:-\d{4})?)"
_UK_POST = r"(?:[ ,\n]{1,3}[A-Z]{1,2}\d[A-Z\d]?[ ]?\d[A-Z]{2})"
_POST = r"(?:[ ,\n]{1,3}(?:[A-Z]{1,3}-)?(?:\d{4,6}|\d{2}-\d{3}|\d{5}-\d{3}|\d{3}[ ]\d{2}|\d{4}[ ]?[A-Z]{2}))"
_PLACE = r"(?:[ ,\n]{1,3}" + _CAP + _MORE + r"{0,3}(?:[ ]?\([A-Z]{2}\)|[ ]/[ ][A-Z]{2})?)"
_TAIL = (
    _UNIT + "(?:" + _POST + r",?" + _PLACE + "(?:" + _POST + ")?|" + _PLACE + "{0,2}(?:" + _STATE_ZIP + "|" + _UK_POST
    + "|"
    + _POST + "(?:" + _PLACE + ")?))?"
)  # fmt: skip
_STREETS = (
    # 12 Main Street, 221B Baker St
    rf"\b\d{{1,6}}[A-Za-z]?(?:[-/]\d{{1,5}})?,? (?:(?:[NSEW]|NE|NW|SE|SW)\.? )?(?:{_CAP} |\d{{1,3}}(?:st|nd|rd"
    rf"|th) ){{1,4}}(?:{_US_SHORT})\b\.?",
    # Musterstraße 12, Am Markt 3, Kerkstraat 5
    rf"[<CAP>][<LET>\-]*(?:straße|strasse|str\.|weg|gasse|platz|allee|damm|ufer|ring|chaussee|straat|laan"
    rf"|plein|gracht|singel|dreef|kade|gatan|vägen|gata|veien|vegen|vej|gade|katu|tie)[ ]{_NUMBER}",
    rf"(?:[<CAP>][<LET>\-]+ ){{1,3}}(?:Straße|Strasse|Str\.|Weg|Gasse|Platz|Allee|Damm|Ufer|Ring|Chaussee"
    rf"|Straat|Laan|Plein|Gracht) {_NUMBER}",
    # 10, rue de la Paix
    rf"\b\d{{1,4}}(?: ?(?:bis|ter|quater))?,? (?:rue|avenue|av\.|boulevard|bd|place|chemin|impasse|allée|quai"
    rf"|cours|passage|route|square)(?:{_MORE}){{1,4}}",
    # Via Roma, 12; Calle Mayor 3; Rua Augusta, 100; ulica Długa 5; Avenida ..
    rf"\b(?i:via|viale|piazza|piazzale|corso|vicolo|largo|strada|contrada|borgo|calle|c/|avenida|avda\.|avd\."
    rf"|paseo|plaza|carrer|ronda|camino|pasaje|travesía|rua|av\.|praça|travessa|alameda|rodovia|estrada"
    rf"|avenida|ulica|ul\.|al\.|aleja|pl\.|plac|os\.|osiedle)(?:{_MORE}){{1,5}},? ?(?:nº ?|n\. ?|no\.?"
    rf" ?)?{_NUMBER}",
    r"\bP\.?O\.? Box \d{1,6}",
)
_GRAMMAR = pattern("|".join(f"(?:{street}{_TAIL})" for street in _STREETS))
# A street with the number of a flat beside or below it, and the lines below that.
_UNITS = pattern(
    r"(?:\d{1,6} )?[<CAP>][<LET>.'\x{2019} \-]{2,40}(?: \d{1,5}[A-Za-z.]{0,2})?[ ,]{0,2}\n?[ \t>?]{0,6}"
    r"(?:Apt|Suite|Ste|Unit|Apartment|Flat)\.? ?#?\d{1,5}\b(?:[ ,]{0,2}\n[ \t>?]{0,6}[<CAP>,][^\n:@]{1,40}){0,3}"
)
_HINTS = pattern(
    r"(?i)(?:apt|suite|ste|unit|apartment|flat)\.? ?#?\d|\d[^\n]{0,40}\b(?:"
    + _US_SHORT
    + r"|rue|avenue|boulevard|bd|place|chemin|impasse|allée|quai|cours)\b|"
    r"(?:straße|strasse|str\.|weg|gasse|platz|allee|damm|ufer|ring|chaussee|straat|laan|plein|gracht|singel"
    r"|dreef|kade|gatan"
    r"|vägen|gata|veien|vegen|vej|gade|katu|tie) \d|\b(?:via|viale|piazza|piazzale|corso|vicolo|largo|strada"
    r"|contrada|borgo"
    r"|calle|c/|avenida|avda\.|avd\.|paseo|plaza|carrer|ronda|camino|pasaje|travesía|rua|av\.|praça|travessa|alameda"
    r"|rodovia|estrada|ulica|ul\.|al\.|aleja|pl\.|plac|os\.|osiedle) |box \d"
)
# What people say before they tell where something or someone is.
_LEADS = pattern(
    r"(?i)\b(?:(?:please |or |and |to )?visit(?: us| me| him| her| them)?(?: at)?|(?:is|are|was|were) located"
    r" (?:at|in)|located at"
    r"|lives? (?:at|in)|lived (?:at|in)|living (?:at|in)|resid(?:es?|ing) (?:at|in)|(?:ship|deliver|send|mail"
    r"|return|forward)(?:ed|s)?(?: \w+){0,5} to"
    r"|address (?:is|was|of [<LET>]+(?: [<LET>]+){0,3} is|to the same:)|meet (?:me|us) at|come to|moved to"
    r"|(?:office|shop|store|house|apartment|home)s? (?:is|are) (?:at|in|on)"
    r"|(?:it'?s|we'?re|i'?m) (?:in|at)|wohn(?:t|e|haft) in|wohnhaft|habite (?:au|à|le)|domicili(?:ado|ada|é"
    r"|ée) (?:en|au|à)"
    r"|vive en|vivo en|resid(?:e|ente) (?:a|en|in|em)|abita in|abito in|mora (?:em|na|no)|moro (?:em|na|no)"
    r"|woont (?:in|op|aan)"
    r"|woonachtig (?:te|in)|mieszka (?:przy|na|w)|zamieszka(?:ły|ła) (?:przy|na|w))[: ]\s{0,2}"
)
_START = pattern(
    r"(?:the corner of )?(?:[<CAP>\d#]|(?:rue|avenue|boulevard|place|chemin|impasse|allée|quai|cours|ulica"
    r"|ul\.|plac|pl\.|al\."
    r"|aleja|os\.|osiedle|ул\.|улица|проспект|пр\.|пер\.|via|viale|piazza|corso|calle|avenida|plaza|paseo|rua"
    r"|travessa|praça) [<CAP>d])"
)
# Where the publisher of the GNU licences had its office, as the heads of a great many files say.
_IN_LICENCES = ("51 Franklin St", "59 Temple Pl", "675 Mass Ave", "31 Milk St")
_ABBREVIATIONS = word_set(
    "st ave av blvd rd dr ln ct pl sq apt ste no nr n h p o ul al os pl c str bd avda avd u ut k tel h.no flt"
    " ext bldg fl"
    " ул д кв г пр пер корп стр обл rm unit col mr mrs ms dr sr sra prof jr"
)
_NO_ADDRESS = ("http", "www.", "localhost", "0x", "git@", "ftp", "file:", "mailto:")


def address_score(value: str, *, is_street: bool = False) -> float:
    """Of the whole value of a field that is called an address, or a street; 0.0 for an address of another kind."""
    value = value.strip()
    if not 5 <= len(value) <= _LONGEST or "@" in value or "://" in value or value.lower().startswith(_NO_ADDRESS):
        return 0.0
    if any(mark in value for mark in "{}<>[]=|$%^~"):
        return 0.0
    words = [word for word in value.replace(",", " ").split() if word]
    digits = sum(each.isdigit() for each in value)
    letters = sum(each.isalpha() for each in value)
    if letters < 3 or (len(value) > 12 and letters < digits / 2):
        return 0.0
    if not value.isascii() and _is_east_asian(value):
        return 0.9 if digits or any(mark in value for mark in "市区县省路号街道町丁目番都府県시구동로길") else 0.0
    is_written = any(word[0].isupper() for word in words)
    if len(words) < 2 or not is_written:
        return 0.8 if is_street and len(words) >= 2 and digits else 0.0
    if digits:
        return 0.9
    return 0.7 if is_street else 0.0


def _is_east_asian(value: str) -> bool:
    return any("\u3040" <= each <= "\u9fff" or "\uac00" <= each <= "\ud7af" for each in value)


def addresses(reading: Reading) -> Iterator[tuple[int, int, float]]:
    """Start, end and score of addresses in sentences."""
    text = reading.text
    for _, end in reading.find(_LEADS):
        if reading.follows(_START, end, 40) < 0:
            continue
        stop = sentence_end(text, end)
        if _is_told(text[end:stop]):
            yield end, stop, 0.8
    if next(reading.find(_HINTS), None) is not None:
        for start, end in reading.find(_UNITS):
            if sum(each.isdigit() for each in text[start:end]) >= 3:
                yield start, end, 0.7
        for start, end in reading.find(_GRAMMAR):
            while end > start and text[end - 1] in " ,\n":
                end -= 1
            words = text[start:end].split(None, 2)
            # "via PEP 660" tells a way, not a street.
            is_way = words[0] == "via" and words[1].isupper()
            if not is_way and not text[start - 1 : start].isalnum() and not text[start:end].startswith(_IN_LICENCES):
                yield start, end, 0.75


def sentence_end(text: str, start: int) -> int:
    """Where what began at `start` ends: at a mark that closes a sentence, an empty line, or after 200 characters."""
    limit = min(len(text), start + _LONGEST)
    place = start
    while place < limit:
        each = text[place]
        if each in '?!;"|<>{}' or (each == "\n" and text[place + 1 : place + 2] in ("\n", "", "\r", "-", "*")):
            break
        if each == "." and _ends_sentence(text, start, place):
            break
        if each == "\n" and _begins_other(text, place + 1):
            break
        place += 1
    else:
        if place == start + _LONGEST:
            return start
    while place > start and text[place - 1] in " \n\t,":
        place -= 1
    return place


def _ends_sentence(text: str, start: int, place: int) -> bool:
    after = text[place + 1 : place + 2]
    if after not in ("", " ", "\n", "\r"):
        return False
    word = text[start:place].rsplit(None, 1)[-1:] or [""]
    return after == "" or word[0].lower().strip(",(") not in _ABBREVIATIONS


def _begins_other(text: str, place: int) -> bool:
    """Whether the next line is of another kind: a key, a greeting at the end, a word in lower case."""
    line = text[place : place + 60].split("\n", 1)[0].strip()
    return (
        not line
        or ":" in line[:24]
        or line.lower().startswith(("best ", "kind ", "regards", "thank", "yours", "sincerely"))
    )


def _is_told(value: str) -> bool:
    """Whether what follows such words is an address: a number, and words that are written like places."""
    if not 8 <= len(value) <= _LONGEST or value.lower().startswith(_NO_ADDRESS) or "://" in value or "@" in value:
        return False
    if not value.isascii() and _is_east_asian(value):
        return any(each.isdigit() for each in value)
    words = value.replace(",", " ").replace("-", " ").split()
    numbers = sum(any(each.isdigit() for each in word) for word in words)
    capitals = sum(word[0].isupper() or word[0] > "\u2fff" for word in words)
    small = sum(word.islower() and word.isalpha() and word not in _SMALL for word in words)
    return numbers >= 1 and capitals >= 2 and small <= 1 + capitals // 2 and "(" not in value.partition("(")[2]


_SMALL = word_set(
    "de da do das dos du des del della dei di la le les el los von van der den of the e y i et und rue avenue"
    " boulevard"
    " place chemin impasse ulica ul plac al aleja via calle rua corner and at nan in on au an am"
)
