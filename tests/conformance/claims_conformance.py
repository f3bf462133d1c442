"""What is promised of the protocol."""

CLAIMS = [
    ("protocol.contract", "What is used of the protocol library means what we rely on.", "proxy/README.md"),
    (
        "conformance.through",
        "Every conformance check that passes directly passes through the gateway.",
        "MCP conformance suite",
    ),
    ("conformance.shim", "The suite's helper adds one header and changes nothing else.", "tests/conformance"),
]
