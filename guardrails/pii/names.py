"""Whether a few words are a person's name, by how they look and by the given names that are known."""

from __future__ import annotations

from enum import IntEnum

from guardrails.language.words import word_set
from guardrails.pii.given_names import SURE_GIVEN_NAMES, fold

_LONGEST = 80
_MOST_WORDS = 8

HONORIFICS = word_set(
    "mr mrs ms miss mx dr prof professor sir madam dame lord lady rev fr sr sra srta sres don dona doña herr"
    " frau fraulein"
    " fräulein ing dipl monsieur madame mademoiselle m mme mlle me maitre maître sig sigra sig.ra signor signora"
    " signorina dott dott.ssa dottssa dottor dottoressa avv geom arch pan pani panna mgr inz inż hab dhr mevr mevrouw"
    " mijnheer meneer de.heer hr fru herra rouva senhor senhora seu dom shri smt kumari san sama kum bay bayan"
)
_SUFFIXES = word_set(
    "jr sr ii iii iv phd ph.d md m.d mba m.b.a dds dvm esq bsc b.sc msc m.sc ba b.a ma m.a beng b.eng meng m.eng ing"
    " rn cpa llb llm jd mbe obe"
)
PARTICLES = word_set(
    "de da do das dos du des del della dello delle dei degli di d la le les el al bin bint ibn ben abu von vom zu zum"
    " zur van vander der den het ter ten te op t s y e i und et af av st o mac mc auch gen geb née né"
)
# A title or an organisation, not a person, has one of these among its words.
_NOT_NAMES = word_set(
    """
    inc ltd llc gmbh corp corporation company co kg ag sa srl bv nv plc oy ab as limited group team teams foundation
    project projects institute university college school department bank association society organization organisation
    software systems system technologies technology solutions services service server servers client api app
    application applications library package module plugin plugins extension framework toolkit tool tools runtime engine
    compiler parser editor browser driver device network database table view index schema column field file files
    folder directory path url link page pages site web website email mail phone name names user users admin
    administrator root guest anonymous nobody unknown none null undefined true false default test tests testing example
    sample demo placeholder dummy string number integer boolean float object array list map set function class method
    type types value values key keys id ids data date time timestamp version release build bug issue ticket error
    warning info debug trace status state active inactive pending closed open enabled disabled public private
    and or not the a an of for to in on at by with from this that your our my his her its their is are was be has have
    if else all any new old first last next previous north south east west united republic kingdom islands island
    states state city county street road avenue airport station hotel house park river lake mountain sea ocean
    january february march april june july september october november december monday tuesday wednesday thursday
    friday saturday sunday english french german spanish italian dutch polish portuguese chinese japanese korean
    russian arabic greek turkish hindi swedish norwegian danish finnish american british african european asian
    code source license licence copyright rights reserved notice terms conditions policy guide manual reference
    documentation docs readme changelog introduction overview summary description details usage installation
    configuration settings options support help home about contact search login logout register account profile
    dashboard report reports order orders invoice payment product products item items price total amount quantity
    customer customers customer's vendor supplier agent assistant bot model models human machine learning
    intelligence request response message messages event events action actions task tasks job jobs worker queue cache
    session token secret password credential certificate security access control permission role roles group
    json xml yaml html css csv http https sql rest graphql python java javascript typescript rust golang linux windows
    macos ubuntu debian fedora android ios github gitlab google microsoft amazon apple facebook cloud docker
    kubernetes pod node cluster container image volume interface protocol standard format encoding unicode
    sans serif mono bold italic regular light dark red green blue white black yellow gray grey orange purple
    play pro plus max mini studio office suite desktop mobile tablet watch camera audio video music movie game games
    news blog post posts article book books chapter section title subtitle header footer body content text
    level rate limit size width height length count min average sum mean median standard deviation
    left right top bottom center middle inner outer main primary secondary custom basic advanced simple general
    investments holdings partners ventures capital consulting industries enterprises associates international global
    media brands foods motors airlines insurance labs studios
    workflow pipeline deploy deployment production staging development environment cirrus workers
    """
)


# Of those, the ones that are family names too: beside a given name or a title they say nothing against a person.
_FAMILY_TOO = word_set(
    "green white black brown gray grey blue park lake river hill field house street church wood stone page major west"
    " north south east hand price power long little small young king rose may march april summer winter day bush ford"
    " bridge banks wells mills cross carpenter cook baker butler english french german english holland ireland london"
    " paris york lincoln best sharp strong wise good love joy hope noble marsh moss reed root rice pool pond"
    " sands shore"
    " fields brooks woods hills rivers parks waters banks test chance bell case list main model master"
    " messenger monday"
    " friday light dark gold silver pro max ash agent host hall key nice prince bishop abbot monk pope dean marshal"
    " sawyer archer fisher hunter miller mason parker ranger driver porter player walker reader singer turner"
    " user lead"
    " golden royal frost snow rain storm cloud sun moon star spring battle savage guest sexton constable ward warden"
    " job license item items account date order cards card case booker last new old as ag sa ab a pan pani oy and san"
)


class Likeness(IntEnum):
    """How much a text looks like a person's name."""

    NO = 0
    # Nothing speaks against it: one word, or words in lower case.
    POSSIBLE = 1
    # Two to eight words that are written as names are.
    LIKELY = 2
    # And a title or a known given name is among them.
    SURE = 3


def likeness(text: str) -> Likeness:
    """Of a whole value, such as that of a form's field."""
    text = text.strip(" \t\r\n\"'`,;*")
    if not 2 <= len(text) <= _LONGEST or not _has_only_name_characters(text):
        return Likeness.NO
    words = text.replace(",", " ").replace("(", " ").replace(")", " ").split()
    if not words or len(words) > _MOST_WORDS + 3:
        return Likeness.NO
    titled, names, capitals, known, doubtful = False, 0, 0, False, False
    for index, word in enumerate(words):
        plain = word.strip(".'\u2019-").lower()
        if index < 3 and plain in HONORIFICS and (index < len(words) - 1):
            titled = True
            continue
        if plain in _SUFFIXES and index:
            continue
        if not plain:
            return Likeness.NO
        if plain in PARTICLES or (len(plain) <= 2 and word[-1] == "."):
            continue
        if plain in _NOT_NAMES:
            if plain not in _FAMILY_TOO:
                return Likeness.NO
            doubtful = True
        names += 1
        first = word.lstrip("'\u2019-")[0]
        if first.isupper() or (first.isalpha() and first.lower() == first.upper()):
            capitals += 1
        if not known and _is_given(plain):
            known = True
        if _is_mixed(word):
            return Likeness.NO
    if not 1 <= names <= _MOST_WORDS or (doubtful and not known and not titled):
        return Likeness.NO
    if names >= 3 and known and capitals == names - 1:
        # A family name in small letters, as ffoulkes and bell hooks.
        return Likeness.LIKELY
    if capitals < names:
        return Likeness.POSSIBLE if capitals == 0 and names <= 4 else Likeness.NO
    if titled or (known and (names > 1 or len(words) > 1)):
        return Likeness.SURE
    if names == 1:
        return Likeness.LIKELY if _is_without_case(text) and 2 <= len(text) <= 6 else Likeness.POSSIBLE
    return Likeness.LIKELY


def is_given_name(word: str) -> bool:
    """Whether one word is a given name and hardly anything else."""
    return _is_given(word.lower())


def _is_given(plain: str) -> bool:
    folded = fold(plain)
    if folded in SURE_GIVEN_NAMES:
        return True
    head, dash, _ = folded.partition("-")
    return bool(dash) and head in SURE_GIVEN_NAMES


def _has_only_name_characters(text: str) -> bool:
    return all(each.isalpha() or each in _MARKS or (not each.isascii() and _is_combining(each)) for each in text)


_MARKS = frozenset(" .'\u2019-,()\u00b7\u30fb\u3000")


def _is_combining(character: str) -> bool:
    """Vowel signs and accents that are characters of their own, as in Devanagari and Thai."""
    code = ord(character)
    return 0x0300 <= code <= 0x036F or 0x0591 <= code <= 0x05C7 or 0x064B <= code <= 0x0670 or 0x0900 <= code <= 0x0E7F


def _is_mixed(word: str) -> bool:
    """Capitals inside, as in `camelCase` and `GitHub`; McDonald, O'Neill, DiCaprio and VAN DYKE are none."""
    if not word.isascii() or word.islower() or word.isupper() or word.istitle():
        return False
    inner = [index for index in range(1, len(word)) if word[index].isupper() and word[index - 1].islower()]
    if not inner:
        return any(each.isupper() for each in word[1:]) and not word.endswith(("'s", "\u2019s"))
    return len(inner) > 1 or word[: inner[0]] not in (
        "Mc",
        "Mac",
        "De",
        "Di",
        "Du",
        "La",
        "Le",
        "Van",
        "Von",
        "Fitz",
        "O",
    )


def _is_without_case(text: str) -> bool:
    return all(each.lower() == each.upper() for each in text if each.isalpha()) and not text.isascii()
