"""Texts that are programs wherever a page takes them for more than text, and say so by calling `canary`."""

# Elements, attributes that the theme's library evaluates, ends of the attributes and scripts that texts may stand in,
# and what templates of several languages would reckon.
MARKUP = (
    "<img src=x onerror=canary(1)>",
    '<div x-data x-init="canary(2)">x</div>',
    '" x-data x-init="canary(3)" y="',
    "' x-data='{}' x-init='canary(4)' y='",
    '" @click="canary(5)" autofocus onfocus="canary(5)',
    "</script><script>canary(6)</script>",
    "{{ 7|add:7 }}{{constructor.constructor('canary(7)')()}}${canary(7)}",
    "<svg/onload=canary(8)><a href=javascript:canary(9)>x</a>",
    '<template x-if="true"><i x-effect="canary(10)"></i></template><p :class="canary(11)" x-text="canary(12)">',
    "<style>*{background:url(//evil.test/)}</style><link rel=stylesheet href=//evil.test/>",
)
TEXT = "".join(MARKUP)


def short(number: int, most: int) -> str:
    """One of them, or what of it fits where texts are short; what is cut off inside of a tag may be a tag still."""
    return MARKUP[number % len(MARKUP)][:most]
