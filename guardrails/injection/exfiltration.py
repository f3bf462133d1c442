"""Ways out for data: images and links that carry it, secrets handed to a tool, copies to strangers."""

from __future__ import annotations

from guardrails.injection.signs import Sign

CATEGORY = "EXFILTRATION"
_DATA = (
    r"(?:data|query|secret|token|history|conversation|chat|messages?|prompt|base64|b64|password|passwd|info|contents?|"
    r"context|emails?|summary|encoded|payload|answer|credentials?|cookies?|api_?key|stolen|leak|exfil|ssn|code)"
)
_HOLE = r"(?:\{\{?|\[|<|%7B|\$\{|\$\()"
_KEY_FILE = (
    r"(?:\.ssh/(?:id_\w+|config|\*)|\bid_(?:rsa|ed25519|ecdsa)|\.aws/credentials|\.netrc|\.git-credentials|\.pgpass|"
    r"\bmcp\.json|claude_desktop_config\.json|/etc/shadow|\.kube/config|\.config/gcloud)(?:[^.\w]|\.?\s|$)"
)
_HAND_ON = r"\b(?:pass|send|include|put|post|upload|forward|attach|provide|submit|append|return|insert|supply|give)\b"
_STRANGER = r"(?:https?://|[\w.+-]+@[\w-]+\.\w)"

SIGNS = (
    Sign(CATEGORY, 0.85, r"!\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]{3,300}[?&/=#]" + _HOLE + r"[^)\n]{0,60}?" + _DATA),
    Sign(
        CATEGORY, 0.8, r"<img[^>]{0,200}src\s*=\s*[\"']?https?://[^>\s]{3,300}[?&=]" + _HOLE + r"[^>\n]{0,60}?" + _DATA
    ),
    Sign(CATEGORY, 0.5, r"\[[^\]\n]{0,200}\]\(\s*https?://[^)\s]{3,300}[?&]\w+=" + _HOLE + r"[^)\n]{0,60}?" + _DATA),
    Sign(
        CATEGORY,
        0.8,
        r"\b(?:read|cat|open|load|fetch|get|access|retrieve|contents? of|copy)\b[^.\n]{0,60}"
        + _KEY_FILE
        + r"[^\n]{0,160}?"
        + _HAND_ON,
    ),
    Sign(CATEGORY, 0.8, _HAND_ON + r"[^\n]{0,80}(?:contents?|value|text) of[^\n]{0,40}" + _KEY_FILE),
    Sign(
        CATEGORY,
        0.75,
        r"\b(?:read|cat|open|load|fetch|get)\b[^\n]{0,60}\.env\b[^\n]{0,120}?"
        + _HAND_ON
        + r"[^\n]{0,60}\b(?:parameter|argument|sidenote|field)",
    ),
    Sign(
        CATEGORY,
        0.8,
        r"\b(?:when|whenever|if|each time|every time|before|after|once)\b[^.\n]{0,60}\b\w*_?(?:e?mail|message|"
        r"payment|transfer|tool|function|file)\w*\b[^\n]{0,60}\b(?:always|must|also|secretly|silently)\b"
        r"[^.\n]{0,60}\b(?:bcc|blind copy|forward a copy|send a copy|redirect|change the (?:recipient|address|amount))",
    ),
    Sign(CATEGORY, 0.6, r"\b(?:always|also|secretly|silently|must)\b[^.\n]{0,30}\b(?:bcc|cc)\b[^.\n]{0,30}[\w.+-]+@"),
    Sign(
        CATEGORY,
        0.75,
        r"\b(?:send|post|upload|exfiltrate|forward|transmit|leak|e-?mail|submit)\b[^.\n]{0,60}\b(?:passwords?|"
        r"credentials|api[ _]keys?|secrets?|(?:access|auth) tokens?|conversation|chat history|private keys?|"
        r"environment variables|system prompt|session cookies?|all (?:files|emails|messages|data))\b"
        r"[^\n]{0,60}\b(?:to|at|via)\b[^\n]{0,20}" + _STRANGER,
    ),
    Sign(
        CATEGORY,
        0.7,
        r"\b(?:fetch|sendBeacon|XMLHttpRequest|new Image|location|\.src)\b[^\n]{0,60}https?://[^\n]{0,120}"
        r"(?:document\.cookie|localStorage)",
    ),
    Sign(
        CATEGORY,
        0.7,
        r"\b(?:curl|wget|nc)\b[^\n]{0,120}(?:\$\(|`|@|<\s?)\s?(?:cat|env|printenv|~?/?\.ssh|/etc/passwd|\.env)\b",
    ),
    Sign(CATEGORY, 0.7, r"(?:bash|sh) -i\b[^\n]{0,20}/dev/tcp/|\bnc\b[^\n]{0,20} -e /bin/"),
    # Phishing: an answer that asks its reader for what opens accounts.
    Sign(
        CATEGORY,
        0.65,
        r"\b(?:verify|confirm|prove|validate) your (?:identity|account|access)\b[^.]{0,40}?\b(?:by )?"
        r"(?:provid|enter|send|submitt?|shar|giv|supply)(?:e|ing)?\b[^.]{0,60}?"
        r"\b(?:api keys?|access tokens?|passwords?|credentials|secrets?|private keys?|pin)\b",
    ),
    Sign(
        CATEGORY,
        0.65,
        r"\b(?:respond|reply|answer) with\b[^\n]{0,20}\bmy (?:credentials|password|api key|access token|pin)\b",
    ),
)
