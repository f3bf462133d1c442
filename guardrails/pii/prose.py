"""Names in sentences, told by the words before them: a greeting, a title, a signature, "my name is"."""

from __future__ import annotations

from collections.abc import Iterator

from guardrails.language.words import word_set
from guardrails.pii.names import Likeness, is_given_name, likeness
from guardrails.pii.numbers import is_phone_like
from guardrails.pii.reading import Reading, pattern

_WORD = r"[<CAP>](?:\.|[<LET>'\x{2019}]*(?:-[<LET>][<LET>'\x{2019}]*)*)"
_PARTICLES = (
    r"(?:(?:de|da|do|das|dos|du|des|del|della|dei|degli|di|la|le|les|el|al|bin|ibn|von|vom|zu|zur|van"
    r"|der|den|het|ter|ten|te|y|e|i|'t|op|af|av) ){1,3}"
)
_RUN = pattern(
    rf"(?:(?i:mrs?|ms|dr|prof|herrn?|frau|pani?|sig|sra?|mme)\.? )?{_WORD}(?: (?:{_PARTICLES}|d'"
    rf"|l')?{_WORD}){{0,6}}(?:,? (?:Jr|Sr|MD|PhD|DDS|DVM|MBA|MSc|BSc|Esq|II|III|IV)\b\.?)?"
)
_TITLES = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Herrn?|Frau|Sra|Srta|Sr|Signora|Signor|Sig\.ra|Sig"
    r"|Dott\.ssa|Dott|Mme|Mlle|Monsieur|Madame|Dhr|Mevrouw|Mevr|Pani|Senhora?|Shri|Smt|Fr\.|Hr\.)"
)
_LEADS = pattern(
    # Said of a person and of hardly anything else.
    r"(?i:\b(?:my|his|her|their|patient'?s?|customer'?s?) (?:full |first |last |maiden |real )?name(?: is|'s|:"
    r"| was)|\bname'?s(?: is)?|\bname on the (?:account|card|order) is"
    r"|\b(?:was|is|am|be|i'm) (?:called|named)|\bthis is|\bmein name ist|\bich hei(?:ß|ss)e|\bje m'appelle"
    r"|\bmon nom est"
    r"|\bme llamo|\bmi nombre es|\bmi chiamo|\bil mio nome [eè]|\bmeu nome [eé]|\b(?:eu )?me chamo|\bmijn naam"
    r" is|\bik heet"
    r"|\bnazywam si[eę]|\bmam na imi[eę]|\bjag heter|\bjeg heter|\bnimeni on|\bmenším se|\bjmenuji se|\badım"
    r""
    r"|\b(?:sehr geehrter?|liebe[r]?|guten tag|chère?|bonjour|estimad[oa]|querid[oa]|hola|gentile|egregio|caro"
    r"|cara|prezad[oa]|geachte|beste"
    r"|szanown[ya]|drog[ia]|kära|hej|kære|dear|hi|hello|hey|attn|attention|c/o)"
    r"|\b(?:customer|client|patient|employee|caller|contact|tenant|applicant|account holder|cardholder|card"
    r" holder|guest|passenger"
    r"|beneficiary|recipient|subscriber|resident|student|defendant|plaintiff|witness|buyer|seller|kunde|kundin"
    r"|patientin"
    r"|client[ea]?|paciente|paziente|klant|klient|signed by|signed,|prescribed by|assigned to|on behalf of"
    r"|married to|born to|spoke (?:to|with)|met with|interview(?:ed)? (?:by|with)))"
    r",? "
    r"|(?i:меня зовут|моё имя|мое имя|με λένε|私の名前は) ?"
    rf"|(?i:\b(?:bot|agent|user|q|a): ?)?{_TITLES}\.? "
)
_CLOSINGS = pattern(
    r"(?i)(?:^|\n)[ \t>]*(?:(?:best|kind|warm|warmest|with (?:best|kind) )?[ ]?regards|best wishes|all the"
    r" best|sincerely(?: yours)?|yours (?:sincerely|truly|faithfully)"
    r"|respectfully|cheers|many thanks|thanks(?: again| a lot)?|thank you|best|mit (?:freundlichen|besten"
    r"|herzlichen) gr(?:ü|ue)(?:ß|ss)en|(?:viele|liebe|beste|herzliche) gr(?:ü|ue)(?:ß|ss)e"
    r"|freundliche grüsse|cordialement|bien (?:cordialement|à vous)|salutations|(?:un )?(?:cordial"
    r" )?saludos?(?: cordiales)?|atentamente|atte|(?:cordiali|distinti) saluti"
    r"|saluti|met vriendelijke groet(?:en)?|vriendelijke groeten|groetjes|z poważaniem|pozdrawiam|serdecznie"
    r" pozdrawiam|atenciosamente|att|abraços|cumprimentos"
    r"|med vänlig hälsning|vänliga hälsningar|med venlig hilsen|med vennlig hilsen|ystävällisin terveisin|s"
    r" pozdravem|üdvözlettel|cu stimă|saygılarımla|с уважением)[ ]?[,.!]?[ \t]*\r?\n[ \t>\r\n]{0,8}(?:-{1,2} ?"
    r"|— ?)?"
)
_MAILBOX = pattern(
    r"(?im)^[ \t>*]*(?:from|to|cc|bcc|reply-to|sender|resent-from|von|an|de|para|à|da|a|van|aan|od|do|från"
    r"|till|fra|til|lähettäjä)\*?[ \t]*:[ \t*]*"
)
_ADDRESSED = pattern(r'(?:"[^"<>\n]{2,80}"|[^"<>\n@,;:]{2,80})[ \t]*<[^<>@\s]{1,64}@')
_STRONG = (
    "зовут",
    "имя",
    "λένε",
    "名前は",
    "name is",
    "name's",
    "llamo",
    "appelle",
    "chiamo",
    "heiß",
    "heiss",
    "nombre",
    "chamo",
    "naam is",
    "name ist",
)
_GREETINGS = word_set(
    "hi hello hey dear hola hej beste caro cara kära liebe lieber this is attn attention bonjour called named guten tag"
)


def names(reading: Reading) -> Iterator[tuple[int, int, float]]:
    """Start, end and score of names in sentences, signatures and mail headers."""
    text = reading.text
    for begin, end in reading.find(_LEADS):
        stop = reading.follows(_RUN, end, 100)
        if stop > end:
            lead = text[begin:end]
            # A title goes with the name when it is judged, and stays out of what is found.
            title = lead.rsplit(None, 1)[-1] + " " if lead.rstrip(" .").rpartition(" ")[2] in _TITLE_WORDS else ""
            found = _trim(text, end, stop, title)
            score = _score(lead, text, end, found)
            if score:
                yield end, found, score
    if "\n" in text:
        yield from _signatures(reading)
    if "<" in text:
        yield from _correspondents(reading)


def _score(lead: str, text: str, start: int, end: int) -> float:
    value = text[start:end]
    if end <= start:
        return 0.0
    plain = lead.strip(" .,:").lower()
    title = lead.rstrip(" .").rpartition(" ")[2]
    how = likeness(f"{title} {value}" if title in _TITLE_WORDS else value)
    if title in _TITLE_WORDS:
        return 0.8 if how >= Likeness.POSSIBLE and len(value) > 2 and not value.isupper() else 0.0
    if any(each in plain for each in _STRONG):
        return 0.8 if how >= Likeness.POSSIBLE and len(value) > 1 else 0.0
    if plain.rpartition(" ")[2] in _GREETINGS:
        return (
            0.7
            if how is Likeness.SURE or (how is Likeness.POSSIBLE and likeness(value + " Smith") is Likeness.SURE)
            else 0.0
        )
    if how is Likeness.SURE:
        return 0.75
    return 0.6 if how is Likeness.LIKELY and _is_followed(text, end) else 0.0


_TITLE_WORDS = word_set(
    "Mr Mrs Ms Miss Mx Dr Prof Professor Sir Herr Herrn Frau Sra Srta Sr Signora Signor Sig.ra Sig Dott.ssa"
    " Dott Mme Mlle Monsieur Madame Dhr"
    " Mevrouw Mevr Pani Senhor Senhora Shri Smt"
)


def _is_followed(text: str, end: int) -> bool:
    """Whether what comes next is said of people: born, aged, an SSN, a card, a house."""
    after = text[end : end + 24].lower().lstrip(" .,(")
    return after.startswith(_OF_PEOPLE)


_OF_PEOPLE = (
    "born", "dob", "d.o.b", "ssn", "aged", "age ", "living", "lives", "card", "phone", "tel", "email", "e-mail",
    "reported that",
    "called", "residing", "iban", "passport", "geboren", "né ", "née ", "nacid", "nat", "nascid", "ur.", "said",
    "complain", "paid", "'s",
)  # fmt: skip


def _trim(text: str, start: int, end: int, title: str) -> int:
    """Without the words at the end that are not of a name, and without the mark that ends the sentence."""
    while end > start:
        value = text[start:end]
        if value[-1] == "." and not (
            (len(value) > 2 and value[-3] in " .")
            or value.rsplit(" ", 1)[-1].lower() in ("jr.", "sr.", "dds.", "mba.", "phd.")
        ):
            end -= 1
            continue
        if likeness(title + value) is not Likeness.NO:
            return end
        place = value.rfind(" ")
        if place < 0:
            return start
        end = start + place
    return start


# Said after a quotation; after a word for a person; and several given names in a row.
_QUOTED = pattern(
    r"[\"\x{201d}\x{bb}!?,] ?(?:says|said|asks|asked|explains|explained|adds|added|told|replied"
    r"|sagt|dit|dijo|dice|disse) "
)
_SPEAKER = pattern(rf"(?m)^[ \t>]*{_WORD}(?: {_WORD}){{0,3}}[ ]?:[ ]?[\"\x{{201c}}]")
_KIN = pattern(
    r"(?i)\b(?:father|mother|grandfather|grandmother|brother|sister|son|daughter|boy|girl|man|woman|baby|child"
    r"|uncle|aunt"
    r"|cousin|him|her|husband|wife|friend)(?: who)?(?: is| was)?,? (?:called|named)[ ]|\bnamed (?:him|her|them)[ ]"
)
_ROW = pattern(rf"{_WORD}(?:, {_WORD}){{1,40}},? (?:and|und|et|y|e|i|en|och|og|&) {_WORD}")


def told_names(reading: Reading) -> Iterator[tuple[int, int, float]]:
    """Names of those who are quoted, who speak in a script, who are called so, and rows of given names."""
    text = reading.text
    for compiled in (_QUOTED, _KIN):
        for _, end in reading.find(compiled):
            stop = _trim(text, end, max(end, reading.follows(_RUN, end, 100)), "")
            if stop - end > 2 and not text[end:stop].isupper():
                yield end, stop, 0.7
    if "\n" in text or ":" in text:
        for start, _ in reading.find(_SPEAKER):
            stop = text.index(":", start)
            while start < stop and text[start] in " \t>":
                start += 1
            name = text[start:stop].rstrip()
            if likeness(name) is Likeness.SURE or is_given_name(name):
                yield start, start + len(name), 0.65
    for start, end in reading.find(_ROW):
        yield from _row(text, start, end)


def _row(text: str, start: int, end: int) -> Iterator[tuple[int, int, float]]:
    """Single words in a row are names when two of three are given names and nothing else."""
    places, place = [], start
    for word in text[start:end].replace(",", " ").split(" "):
        if word[:1].isupper():
            places.append((place, place + len(word)))
        place += len(word) + 1
    known = sum(is_given_name(text[first:last]) for first, last in places)
    if len(places) >= 3 and known * 3 >= len(places) * 2:
        for first, last in places:
            yield first, last, 0.65


_MARKS_OF_BLOCKS = " \t>?*#|-/"


def name_above(text: str, place: int) -> tuple[int, int] | None:
    """The line that begins a block which an address ends: the first of at most two lines directly above it."""
    found = None
    stop = text.rfind("\n", 0, place)
    for _ in range(4):
        if stop <= 0:
            break
        first = text.rfind("\n", 0, stop) + 1
        line = text[first:stop].strip(_MARKS_OF_BLOCKS + "\r")
        if line:
            start = text.index(line, first)
            if likeness(line) >= Likeness.LIKELY:
                found = start, start + len(line)
            elif found is not None or len(line) > 40:
                break
        stop = first - 1
    return found


def heading_name(text: str) -> tuple[int, int] | None:
    """The first line, where it is written like a name: of a CV, a card, a form."""
    start = len(text) - len(text.lstrip(_MARKS_OF_BLOCKS + "\r\n"))
    stop = text.find("\n", start)
    line = text[start:stop].rstrip() if stop > 0 else ""
    return (start, start + len(line)) if likeness(line) >= Likeness.LIKELY else None


_RUNS = pattern(rf"{_WORD}(?: (?:{_PARTICLES}|d'|l')?{_WORD}){{1,5}}")


def known_names(reading: Reading, *, everywhere: bool) -> Iterator[tuple[int, int, float]]:
    """Known given names with a family name: those who say or do something, or with `everywhere` all of them."""
    text = reading.text
    for start, end in reading.find(_RUNS):
        words = text[start:end].split(" ")
        for word in words[:-1]:
            if len(word) > 2 and is_given_name(word):
                break
            # A word that begins the sentence, or a title.
            start += len(word) + 1
        else:
            continue
        if text[start - 1 : start].isalnum():
            continue
        acts = text[end : end + 14].startswith(_ACTS) or text[max(0, start - 14) : start].endswith(_DONE_BY)
        if not acts and not everywhere:
            continue
        stop = _trim(text, start, end, "")
        if " " in text[start:stop] and likeness(text[start:stop]) is Likeness.SURE:
            yield start, stop, 0.7 if acts else 0.55


_ACTS = (
    " said", " says", " told", " asked", " wrote", " writes", " lives", " lived", " called", " is from",
    " was born", " is a ", " is an ",
    " was a ", " works", " worked", " replied", " flew", " moved", " spent", " began", " joined", " complain",
    " requested", " sagt",
    " schrieb", " wohnt", " a dit", " habite", " dijo", " vive", " ha detto", " vive", " disse", " mora", " zei",
    " woont", ", born",
    ", aged", " (born", " (age", "'s phone", "'s address", "'s email", "'s account", "'s card", "'s birthday",
    "'s daughter", "'s son",
)  # fmt: skip
_DONE_BY = (
    "said ", "says ", "told ", "asked ", "to meet ", "married ", "met ", "named ", "called ", "according to ",
    "invited ", "emailed ",
    "phoned ", "colleague ", "friend ", "brother ", "sister ", "father ", "mother ", "wife ", "husband ", "boss ",
    "neighbour ",
    "neighbor ", "producer ", "owner ", "attorney ", "nurse ", "officer ", "mr ", "regular ",
)  # fmt: skip


def signed_phones(reading: Reading) -> Iterator[tuple[int, int]]:
    """Telephone numbers that are a whole line below a signature."""
    text = reading.text
    if "\n" not in text:
        return
    for _, place in reading.find(_CLOSINGS):
        for _ in range(6):
            stop = text.find("\n", place)
            stop = len(text) if stop < 0 else stop
            line = text[place:stop].strip(" \r\t>")
            if line[:1].isdigit() or line[:1] in ("+", "("):
                if all(each in " +-()./x" or each.isdigit() for each in line) and is_phone_like(line):
                    start = text.index(line, place)
                    yield start, start + len(line)
            place = stop + 1
            if place >= len(text):
                break


def _signatures(reading: Reading) -> Iterator[tuple[int, int, float]]:
    text = reading.text
    for _, end in reading.find(_CLOSINGS):
        stop = text.find("\n", end, end + 80)
        stop = min(len(text), end + 80) if stop < 0 else stop
        line = text[end:stop].rstrip(" \r\t,")
        how = likeness(line)
        if how >= Likeness.LIKELY or (
            how is Likeness.POSSIBLE and line[:1].isupper() and likeness(line + " Smith") is Likeness.SURE
        ):
            yield end, end + len(line), 0.8


def _correspondents(reading: Reading) -> Iterator[tuple[int, int, float]]:
    """Display names of RFC 5322 section 3.4, in the headers of correspondence."""
    text = reading.text
    if "@" not in text:
        return
    for _, place in reading.find(_MAILBOX):
        for _ in range(50):
            stop = reading.follows(_ADDRESSED, place, 180)
            if stop < 0:
                break
            opening = text.find("<", place, stop)
            start, end = place, opening
            while start < end and text[start] in " \t\"'":
                start += 1
            while end > start and text[end - 1] in " \t\"'":
                end -= 1
            if likeness(text[start:end]) >= Likeness.LIKELY:
                yield start, end, 0.85
            closing = text.find(">", stop, stop + 260)
            place = closing + 1
            while closing >= 0 and place < len(text) and text[place] in ",; \t\r\n":
                place += 1
            if closing < 0 or text[closing + 1 : closing + 2] not in (",", ";"):
                break
