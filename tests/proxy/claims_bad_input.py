"""What the tests of bad input prove: id, sentence, and where the duty comes from."""

from __future__ import annotations

CLAIMS: list[tuple[str, str, str]] = [
    (
        "bad-input.01",
        "A body that is no JSON is refused with 400 and -32700.",
        "JSON-RPC 2.0",
    ),
    (
        "bad-input.02",
        "A body that is not UTF-8 is refused with 400 and -32700.",
        "RFC 8259 section 8.1",
    ),
    (
        "bad-input.03",
        "A batch, a bare value or a response in place of a request is refused with 400 and -32600.",
        "MCP 2026-07-28, streamable HTTP",
    ),
    (
        "bad-input.04",
        "A body with a duplicate member, at any depth and in any spelling, is refused with 400 and -32600.",
        "JSON-RPC, RFC 8259 section 4",
    ),
    (
        "bad-input.05",
        "A member that the envelope or a known method does not have, such as another case of one, is refused with 400.",
        "JSON-RPC 2.0, case sensitivity",
    ),
    (
        "bad-input.06",
        "An id that is neither a string nor an integer is refused with 400 and -32600.",
        "MCP, base protocol",
    ),
    (
        "bad-input.07",
        "An id beyond 256 characters or the safe integers is refused with 400 and -32600, and not repeated.",
        "I-JSON, RFC 7493 section 2.2",
    ),
    (
        "bad-input.08",
        "Nesting of more than 64 levels is refused with 400 and -32700.",
        "AISVS 10.4.5",
    ),
    (
        "bad-input.09",
        "NaN, infinities and numbers beyond a double are refused with 400 and -32700.",
        "RFC 8259 section 6",
    ),
    (
        "bad-input.10",
        "An unpaired surrogate, as value or name, is refused with 400 and -32602.",
        "RFC 8259 section 8.2",
    ),
    (
        "bad-input.11",
        "A body of more than 4 MiB, announced or chunked, gets an empty 413, the connection is closed, "
        "and the body is never stored.",
        "RFC 9110 section 15.5.14",
    ),
    (
        "bad-input.12",
        "Another content type than application/json is refused with 415.",
        "RFC 9110 section 15.5.16",
    ),
    (
        "bad-input.13",
        "An Accept header that does not list both types is refused with 406.",
        "MCP, streamable HTTP",
    ),
    (
        "bad-input.14",
        "A modern request without _meta or its version is refused with 400 and -32602 naming the key.",
        "MCP 2026-07-28, per-request fields",
    ),
    (
        "bad-input.15",
        "A modern request without client capabilities is refused with 400 and -32602 naming the key.",
        "MCP 2026-07-28, per-request fields",
    ),
    (
        "bad-input.16",
        "An unknown protocol version is refused with 400 and -32022, naming the supported ones.",
        "MCP 2026-07-28, versioning",
    ),
    (
        "bad-input.17",
        "A version header that is not the body's is refused with 400 and -32020.",
        "MCP 2026-07-28, headers",
    ),
    (
        "bad-input.18",
        "Routing headers that are missing, differ from the body or come twice are refused with 400 and -32020.",
        "MCP 2026-07-28, headers",
    ),
    (
        "bad-input.19",
        "A malformed encoded routing header is refused with 400 and -32020.",
        "MCP 2026-07-28, headers",
    ),
    (
        "bad-input.20",
        "A modern body without version header is refused with 400 and -32020.",
        "MCP 2026-07-28, headers",
    ),
    (
        "bad-input.21",
        "An unknown method is answered with 404 and -32601.",
        "MCP 2026-07-28, streamable HTTP",
    ),
    (
        "bad-input.22",
        "An unknown tool, one of another tenant and one that the key may not use get the same bytes: 400 and -32602.",
        "MCP, tools, error handling",
    ),
    (
        "bad-input.23",
        "Arguments that break the tool's schema are a tool error with place and keyword, without the value.",
        "MCP, tools, error handling",
    ),
    (
        "bad-input.24",
        "Params, arguments and names of the wrong type are refused with 400.",
        "MCP schema",
    ),
    (
        "bad-input.25",
        "Other HTTP methods are refused with 405 and Allow: POST.",
        "MCP, streamable HTTP",
    ),
    (
        "bad-input.26",
        "Unknown, foreign and changed session ids get the same bytes: 404 and -32600.",
        "MCP 2025-11-25, sessions",
    ),
    (
        "bad-input.27",
        "A legacy request without session, other than initialize, is refused with 400 and -32600.",
        "MCP 2025-11-25, sessions",
    ),
    (
        "bad-input.28",
        "A notification is accepted with 202 and no body.",
        "MCP, streamable HTTP",
    ),
    (
        "bad-input.29",
        "A foreign Origin, null included, is refused with 403.",
        "MCP, streamable HTTP, DNS rebinding",
    ),
    (
        "bad-input.30",
        "A host that is not served is answered with 421; a request without exactly one valid Host with 400.",
        "RFC 9110 section 7.4, RFC 9112 section 3.2",
    ),
    (
        "bad-input.31",
        "A header name with an underscore is refused with 400.",
        "CVE-2026-3902",
    ),
    (
        "bad-input.32",
        "A request without credential gets 401, -31401 and WWW-Authenticate: Bearer.",
        "RFC 6750 section 3",
    ),
    (
        "bad-input.33",
        "Malformed, unknown, expired, revoked and disabled keys get one answer: 401 and invalid_token.",
        "RFC 6750 section 3.1",
    ),
    (
        "bad-input.34",
        "A key in the URL or a cookie is refused with 400 and put on record as exposed, without the key.",
        "OAuth 2.1 section 5.1",
    ),
    (
        "bad-input.35",
        "Two credentials are refused with 400 and invalid_request.",
        "RFC 6750 section 2",
    ),
    (
        "bad-input.36",
        "A token that is not one of ours, signed or not, gets the answer of any bad key.",
        "OAuth 2.1 section 5.2",
    ),
    (
        "bad-input.37",
        "A role that may not call gets 403 and insufficient_scope.",
        "RFC 6750 section 3.1",
    ),
    (
        "bad-input.38",
        "A key used from outside its networks gets 403 and -31403, and is put on record.",
        "API keys",
    ),
    (
        "bad-input.39",
        "Foreign and unknown projects and servers get the same bytes: 404.",
        "Tenancy",
    ),
    (
        "bad-input.40",
        "Too many calls get 429 and -31005 with Retry-After and RateLimit.",
        "RFC 6585 section 4",
    ),
    (
        "bad-input.41",
        "A full or stopping gateway answers 503 and -31007 with Retry-After; calls in flight finish.",
        "RFC 9110 section 15.6.4",
    ),
    (
        "bad-input.42",
        "Without the audit log a call gets 503 and -31006 within two seconds, nothing is passed on, and "
        "service resumes by itself.",
        "Every call is on record before it leaves",
    ),
    (
        "bad-input.43",
        "An upstream that refuses, is closed to us or does not serve us is 502 and -31001, without detail.",
        "SSRF: no oracle",
    ),
    (
        "bad-input.44",
        "A silent upstream is given up with 504 and -31002; a legacy one is told so.",
        "MCP, cancellation",
    ),
    (
        "bad-input.45",
        "Garbage, wrong ids, two responses, HTML and redirects of an upstream are 502 and -31003; of two "
        "in a stream only the first is passed on.",
        "JSON-RPC 2.0",
    ),
    (
        "bad-input.46",
        "An answer that is too large, compressed or an endless line is -31004.",
        "Bounded resources",
    ),
    (
        "bad-input.smuggling",
        "A request whose length can be read in two ways is refused and nothing after it is read.",
        "RFC 9112 section 6.3",
    ),
    (
        "bad-input.headers",
        "A flood of headers is cut.",
        "RFC 6585 section 5",
    ),
    (
        "bad-input.half-open",
        "A head that is not whole after ten seconds is cut, also when bytes drip in.",
        "Slow clients",
    ),
    (
        "bad-input.path",
        "A path with two readings is refused.",
        "RFC 3986 section 6",
    ),
    (
        "wire.faithful",
        "Whatever JSON is unambiguous arrives as it was sent, in both directions.",
        "RFC 8259",
    ),
    (
        "wire.duplicates",
        "A duplicate member is refused wherever it is and however it is spelled.",
        "RFC 8259 section 4",
    ),
    (
        "wire.depth",
        "Nesting is taken up to 64 levels and never beyond.",
        "AISVS 10.4.5",
    ),
    (
        "wire.numbers",
        "Integers beyond 64 bits keep every digit; what is no number is refused.",
        "RFC 8259 section 6",
    ),
    (
        "wire.long",
        "A long message is read as a short one is, without a call that keeps the event loop for as long as it is.",
        "seed, performance",
    ),
    (
        "wire.surrogates",
        "An unpaired surrogate is refused as value and as name.",
        "RFC 8259 section 8.2",
    ),
    (
        "wire.total",
        "No bytes lead to anything but a message or a refusal.",
        "Fail closed",
    ),
    (
        "egress.addresses",
        "Special-purpose addresses, also inside other addresses, are closed.",
        "RFC 6890, OWASP SSRF",
    ),
    (
        "egress.urls",
        "Only https to a plain host name or public address on port 443 is open.",
        "OWASP SSRF",
    ),
    (
        "egress.operator",
        "Only the operator opens more: hosts, addresses and networks, with or without port.",
        "Egress",
    ),
    (
        "egress.resolution",
        "What a name means is checked each time, every address of it, and the checked one is used.",
        "DNS rebinding",
    ),
    (
        "egress.client",
        "Outbound requests follow no redirect, use no proxy, keep no cookie and add no header.",
        "OWASP SSRF",
    ),
    (
        "stdio.executable",
        "Only an absolute executable file is run.",
        "Command templates",
    ),
    (
        "stdio.environment",
        "Variables that make a program load code cannot be set.",
        "Command templates",
    ),
    (
        "stdio.slots",
        "A tenant's value has the declared form as a whole and stays one argument.",
        "Command templates",
    ),
]
