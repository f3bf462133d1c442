"""What is promised of lines in others' formats and of their way to other systems."""

_PAGE = "docs/audit.md"
CLAIMS: list[tuple[str, str, str]] = [
    ("formats.cef", "Whatever an event holds, its CEF line is one line that a strict parser reads back.", "CEF:0"),
    ("formats.syslog", "Whatever an event holds, its syslog line is one valid message of RFC 5424.", "RFC 5424"),
    ("forward.in-order", "Sealed events arrive at least once and in their order, after a kill too.", _PAGE),
    ("forward.at-once", "What is sent by hand ends with what was sealed when it began.", _PAGE),
    ("forward.retried", "What a receiver does not take now is sent again, later each time.", _PAGE),
    ("forward.dead-letters", "What is refused for good or failed for too long is listed and can be resent.", _PAGE),
    ("forward.apart", "A receiver that hangs delays neither another's lines nor the sealing.", _PAGE),
    ("forward.signed", "A webhook's body is signed, and the same batch has the same key each time.", _PAGE),
    ("forward.syslog", "Syslog goes over TCP and verified TLS, each message with its length before it.", "RFC 5425"),
    ("forward.egress", "Forwarders connect only where the egress rules let them, by every name.", _PAGE),
    ("forward.settings", "The operator's receivers get every log, and a bad address is said at the start.", _PAGE),
    ("forward.own-only", "Nobody but the operator and no other project sees or changes a forwarder.", _PAGE),
    ("forward.secrets", "A forwarder's secrets are in no line, event or log, and on no page but a new key's.", _PAGE),
    ("forward.plugins", "A transport is one file or an installed module that registers itself.", "audit/README.md"),
]  # fmt: skip
