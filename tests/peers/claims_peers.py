"""What is promised of others' servers and clients."""

CLAIMS = [
    (
        "peers.everything",
        "Every feature of the reference server works through the gateway as it does directly.",
        "README.md",
    ),
    ("peers.servers", "Published stdio servers work through the gateway for clients of both eras.", "README.md"),
    ("peers.inspector", "The inspector works with nothing but an address and a header.", "README.md"),
]
