"""What is promised of REST."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "rest.contract",
        "What answers is what the OpenAPI document says, as every role, also to what the document does not allow.",
        "docs/rest.md",
    ),
    ("rest.document", "The OpenAPI document in the repository is the live one.", "docs/rest.md"),
    ("rest.tokens", "An admin token opens what its user may do by now, and nothing more.", "docs/rest.md"),
    (
        "rest.tokens-page",
        "People issue, see and revoke admin tokens of their own in the browser, once they have proved who they are.",
        "docs/rest.md",
    ),
    ("rest.two-kinds", "Keys open nothing of REST, and admin tokens nothing of MCP.", "docs/rest.md"),
    ("rest.tenancy", "What is another project's looks as if it did not exist, byte for byte.", "docs/rest.md"),
    ("rest.actions", "Every operation names its action, and refuses whoever lacks it.", "docs/rest.md"),
    ("rest.problems", "Every refusal is a problem document, without what was sent.", "RFC 9457"),
    ("rest.paging", "Lists come in pages by key; a cursor works for its list, filters and token only.", "docs/rest.md"),
    ("rest.idempotency", "A POST that is sent again with its key is done once and answered the same.", "docs/rest.md"),
    ("rest.preconditions", "Who changes what somebody else has changed meanwhile is told.", "RFC 9110 section 13"),
    ("rest.secrets", "Secrets go in and never out; those that are made are shown once.", "docs/rest.md"),
    ("rest.limits", "Every answer says what is left of the rate, and what is over it waits.", "docs/rest.md"),
    ("rest.page", "The page of the document needs a session and nothing from outside.", "docs/rest.md"),
    ("rest.administration", "What can be administered in the browser can be by REST.", "docs/rest.md"),
]
