"""Values that a name calls secret: which names do, and how sure a value is one."""

from __future__ import annotations

from guardrails.language.words import word_set
from guardrails.pii.reading import pattern
from guardrails.secrets.looks import entropy, is_identifier, is_path, is_sham

_PASSWORDS = frozenset({
    "password", "passwd", "pwd", "pass", "passphrase", "passcode", "passwort", "kennwort", "motdepasse", "contrasena",
    "senha", "wachtwoord", "haslo", "losenord", "userpassword", "dbpassword", "psw", "pw",
})  # fmt: skip
_NO_SECRET_BEFORE = word_set(
    "public pub publishable next page cursor continuation csrf xsrf sync no max min num number of total input output"
    " prompt completion start end begin eos bos pad unk mask sep cls stop special image text first last prev previous"
    " foreign primary partition sort index cache hash map dict json yaml object row column tensor search idempotency"
    " routing shortcut hot keyboard composite natural surrogate delimiter"
)
# The end of a name, its parts joined: what it says of the value.
_SECRET_ENDS = (
    "password", "passwd", "pwd", "passphrase", "passcode", "secret", "secretkey", "token", "apikey", "accesskey",
    "authkey", "privatekey", "clientsecret", "appsecret", "encryptionkey", "signingkey", "masterkey", "sharedkey",
    "accountkey", "servicekey", "subscriptionkey", "sessionkey", "credential", "credentials", "authorization", "bearer",
    "webhooksecret", "jwtsecret", "apitoken", "apisecret", "accesstoken", "authtoken", "refreshtoken", "sessiontoken",
    "bottoken", "personalaccesstoken", "connectionstring", "secretaccesskey", "secretaccess", "accesskeysecret",
    "apppassword",
    "passwort", "kennwort", "motdepasse", "contrasena", "contraseña", "senha", "wachtwoord", "haslo", "hasło",
    "lösenord",
    "пароль", "パスワード", "密码", "비밀번호",
)  # fmt: skip
NAMED = pattern(
    r"(?i)(?:passw(?:or)?d|passphrase|passcode|passwort|kennwort|mot[ _-]?de[ _-]?passe|contrase(?:n|ñ)a|senha"
    r"|wachtwoord|has(?:l|ł)o"
    r"|l(?:o|ö)senord|пароль|パスワード|密码|비밀번호|pwd|\bpass|_pass|secret(?:[ _.\-]?(?:access)?[ _.\-]?key)?|token"
    r"|(?:api|access|auth|private|encryption|signing|master|shared|account|service|subscription"
    r"|session)[ _.\-]?key(?:[ _.\-]?secret)?"
    r"|credentials?|authorization|bearer)"
    r"""(?:[\\"'`*_)\]]{0,6}[ \t]{0,8}(?:=>|:=|[:=\x{ff1a}])|>)"""
)


def kind_of_name(name: str) -> str:
    """PASSWORD, API_KEY or SECRET for a name that says so of its value; "" for all others."""
    plain = "".join(each for each in name.lower() if each.isalnum())
    if not plain.endswith(_SECRET_ENDS) and plain not in _PASSWORDS:
        return ""
    words = [word for word in name.lower().replace("-", "_").replace(".", "_").replace(" ", "_").split("_") if word]
    if any(word in _NO_SECRET_BEFORE for word in words[:-1]):
        return ""
    if (
        plain in _PASSWORDS
        or plain.endswith(("password", "passwd", "pwd", "passphrase", "passcode"))
        or not plain.isascii()
    ):
        return "PASSWORD"
    return "API_KEY" if "key" in plain and "secret" not in plain else "SECRET"


def score_value(value: str, kind: str, *, quoted: bool, is_code: bool = False) -> float:
    """How sure a value is a secret, given that its name calls it a `kind`; 0.0 when it is none."""
    value = value.strip()
    if not 6 <= len(value) <= 512 or (any(each in " \t\r\n" for each in value) and kind != "PASSPHRASE"):
        return 0.0
    if (
        is_sham(value)
        or value[0] in "$%<{[(@&*!#"
        or "(" in value
        or "://" in value
        or value.endswith((":", "/", "\\"))
    ):
        return 0.0
    if not quoted and not is_code and _is_expression(value):
        return 0.0
    digits = sum(each.isdigit() for each in value)
    letters = sum(each.isalpha() for each in value)
    marks = len(value) - digits - letters
    bits = entropy(value)
    if kind == "PASSWORD":
        return _score_password(value, digits, letters, marks, quoted)
    if len(value) < 16 or not digits or letters + digits < len(value) * 0.8 or bits < 3.0:
        return 0.0
    if is_identifier(value) or is_path(value) or value.replace(".", "").replace("-", "").isdigit():
        return 0.0
    if _is_uuid(value):
        return 0.6 if kind == "API_KEY" or quoted else 0.0
    return 0.85 if bits >= 3.5 and len(value) >= 20 else 0.7


def _score_password(value: str, digits: int, letters: int, marks: int, quoted: bool) -> float:
    if value.isalpha() or not letters or value.lower() in _COMMON or is_path(value):
        # A word alone is as often a name as a password; digits alone are an example.
        return 0.0
    mixed = (value.lower() != value) + bool(digits) + bool(marks) + bool(letters)
    if digits and (mixed >= 3 or len(value) >= 10):
        if is_identifier(value):
            return 0.0
        return 0.8 if len(value) >= 8 else 0.6
    if digits and quoted:
        return 0.6
    strange = any(each in "!@#$%^&*+?~=|" for each in value)
    return 0.7 if strange and mixed >= 3 and len(value) >= 8 and not is_identifier(value) else 0.0


_COMMON = frozenset(
    {
        "test123",
        "pass123",
        "user123",
        "admin123",
        "p@ssw0rd",
        "passw0rd",
        "qwerty123",
        "abc123",
        "sha256",
        "md5sum",
        "base64",
        "oauth2",
        "utf-8",
        "passwd1",
    }
)


def _is_expression(value: str) -> bool:
    """Whether it reads like code: a name, an attribute, a call, a type."""
    return any(each in value for each in "()[]{};,<>|\"'`") or value.startswith(
        ("self.", "this.", "os.", "process.", "config.", "env.", "settings.")
    )


def _is_uuid(value: str) -> bool:
    return len(value) == 36 and value.count("-") == 4 and value.replace("-", "").isalnum()
