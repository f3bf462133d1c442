"""What the tests of the detectors of personal data and of secrets prove: id, sentence, and where it comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.pii-structured",
        "Mail addresses, telephones, cards, accounts, SSNs and IP addresses are found in every kind of text,"
        " and proven.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-checksums",
        "A number with a wrong check digit, of no issuer or of no country is not taken for a card, account or id.",
        "ISO/IEC 7812-1, ISO 13616, 20 CFR 422.103",
    ),
    (
        "guardrails.pii-national",
        "Identity numbers of many countries are found by check digits, and beside a word or key without them.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-keyed",
        "Names and addresses are found in fields of JSON, YAML, tables, forms, mail, logs, SQL and cards, in"
        " many languages.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-things",
        "The name of a package, file, tool, country or host is not taken for a person's.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-sentences",
        "Names and addresses in sentences are found where words tell that they are.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-views",
        "Personal data and secrets in look-alikes, invisible characters and encodings are found at their place.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-settings",
        "Categories, countries and values can be left out; a setting that cannot be meant is refused.",
        "guardrails/README.md",
    ),
    (
        "guardrails.pii-linear",
        "Personal data and secrets are looked for in time that grows with the text and not faster.",
        "guardrails/README.md",
    ),
    (
        "guardrails.secrets-vendors",
        "Credentials of more than sixty vendors are found by their forms in every kind of text.",
        "guardrails/README.md",
    ),
    (
        "guardrails.secrets-named",
        "Values whose names call them secret are found in JSON, YAML, .env, code, logs, queries, headers and XML.",
        "guardrails/README.md",
    ),
    (
        "guardrails.secrets-shams",
        "Placeholders, variables, expressions, digests and identifiers are not taken for secrets.",
        "guardrails/README.md",
    ),
]
