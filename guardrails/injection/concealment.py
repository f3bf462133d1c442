"""Requests to keep something from the person who is served, in several languages."""

from __future__ import annotations

from guardrails.injection.signs import Sign

CATEGORY = "CONCEALMENT"
_NOT = r"(?:do not|don['’]?t|never|must not|mustn['’]t|should not|shouldn['’]t|avoid|without|cannot|refrain from)"
_TELL = r"(?:tell|mention|reveal|disclose|explain|admit|confess|say|telling|mentioning|revealing|disclosing|explaining)"
_SHOW = r"(?:inform|notify|show|alert|warn|ask|display|informing|notifying|showing|alerting|warning|asking)"
_USER = r"(?:the |your |any )?(?:end[ -])?(?:users?|humans?|customers?|operators?|people|anyone|anybody)(?:[^'’\w]|$)"
_THIS = (
    r"(?:this|these|that|it|them|such|any of (?:this|these)|the (?:instructions?|note|step|tool call|transfer|reason))"
)

SIGNS = (
    Sign(CATEGORY, 0.75, rf"\b{_NOT} (?:ever )?{_TELL} {_THIS}(?: \w+){{0,6}} to {_USER}"),
    Sign(CATEGORY, 0.6, rf"\b{_NOT} (?:ever )?{_TELL} {_USER}(?:\s|about|that|of|$)?"),
    Sign(CATEGORY, 0.35, rf"\b{_NOT} (?:ever )?{_SHOW} {_USER}"),
    Sign(CATEGORY, 0.6, rf"\b{_NOT} (?:ever )?(?:show|display|{_TELL}) (?:this |it )?to {_USER}"),
    Sign(CATEGORY, 0.6, rf"\b{_NOT} (?:ever )?{_SHOW} {_THIS}(?: \w+){{0,4}} to {_USER}"),
    Sign(
        CATEGORY,
        0.6,
        rf"\b{_NOT} (?:ever )?(?:mention|reveal|disclose|acknowledge|refer to) "
        r"(?:this|these|the) (?:instructions?|message|note|prompt|directive|step|request)\b",
    ),
    Sign(
        CATEGORY,
        0.75,
        r"\b(?:keep|hide|conceal) (?:this|these|it|them)(?: \w+){0,4} (?:secret |hidden |away )?from " + _USER,
    ),
    Sign(
        CATEGORY,
        0.55,
        r"\bwithout (?:the |your )?(?:users?|humans?|owners?)['’]?s? (?:knowledge|knowing|noticing|consent|"
        r"awareness|permission)\b",
    ),
    Sign(
        CATEGORY,
        0.6,
        r"\b(?:silently|secretly|covertly|quietly|discreetly) (?:\w+ ){0,2}"
        r"(?:send|forward|upload|include|copy|transmit|collect|exfiltrate|post|bcc|read|append|log)\b",
    ),
    Sign(CATEGORY, 0.75, r"sage? (?:dem|den) (?:benutzer|nutzer|anwender)n? (?:nichts|nicht)"),
    Sign(
        CATEGORY,
        0.75,
        r"ohne (?:es )?(?:dem|den|das dem) (?:benutzer|nutzer|anwender)n? (?:zu sagen|mitzuteilen|zu erzählen)",
    ),
    Sign(
        CATEGORY,
        0.75,
        r"(?:ne (?:le )?(?:dis|dites|mentionne|mentionnez|révèle|révélez)|sans (?:le )?(?:dire|mentionner))"
        r"[^.\n]{0,30}(?:à|a) l['’]utilisateur",
    ),
    Sign(
        CATEGORY,
        0.75,
        r"(?:no (?:se )?(?:lo )?(?:le )?(?:digas|diga|menciones|mencione|reveles|revele)|sin (?:dec[ií]r|informar)\w*)"
        r"[^.\n]{0,30}al usuario",
    ),
    Sign(
        CATEGORY,
        0.75,
        r"(?:não (?:conte|diga|mencione|revele)|sem (?:contar|dizer|informar))[^.\n]{0,30}ao (?:usuário|utilizador)",
    ),
    Sign(CATEGORY, 0.75, r"(?:non (?:dire|dirlo|menzionare|rivelare)|senza dirlo)[^.\n]{0,30}all['’]utente"),
    Sign(CATEGORY, 0.75, r"(?:не (?:говори|сообщай|рассказывай|упоминай)|не сообщая)(?:те)?[^.\n]{0,30}пользовател"),
    Sign(CATEGORY, 0.75, r"(?:不要|别|請勿|请勿|勿)(?:告诉|告知|向|通知|提醒|告訴)(?:用户|用戶|使用者)"),
    Sign(CATEGORY, 0.75, r"ユーザーに(?:は)?(?:言わ|伝え|知らせ|教え|話さ)な"),
    Sign(CATEGORY, 0.75, r"사용자에게 ?(?:는 ?)?(?:말하지|알리지|언급하지)"),
)
