"""What the local detectors of language, words, topics, size and answers promise."""

CLAIMS: list[tuple[str, str, str]] = [
    (
        "guardrails.toxicity",
        "Abuse, hate, threats, violence, sexual content and self-harm are found and named, in short and long texts.",
        "guardrails/README.md",
    ),
    (
        "guardrails.toxicity-neutral",
        "No group of people, politician or country is harmful by being named, and no process by being killed.",
        "guardrails/README.md",
    ),
    ("guardrails.bias", "Slanted words score higher than plain words about the same subject.", "guardrails/README.md"),
    (
        "guardrails.keywords",
        "The words of a list are found whole, in any case and spelling of Unicode, with their places.",
        "guardrails/README.md",
    ),
    (
        "guardrails.patterns",
        "A pattern that could not be matched in linear time is refused with its index, and no other can hang a worker.",
        "guardrails/README.md",
    ),
    (
        "guardrails.topic",
        "A dozen examples keep messages on allowed topics and off denied ones.",
        "guardrails/README.md",
    ),
    (
        "guardrails.custom-policy",
        "A rule of one's own is told by examples of what breaks it and of what does not.",
        "guardrails/README.md",
    ),
    ("guardrails.size", "Messages, lines and numbers over their limits are found.", "CWE-400"),
    ("guardrails.repetition", "Repetition, orders to repeat without end and texts that expand are found.", "CWE-776"),
    ("guardrails.binary", "Binary content is judged by its type and size.", "RFC 9110 section 8.3.1"),
    ("guardrails.relevancy", "An answer to another question scores as irrelevant.", "guardrails/README.md"),
    (
        "guardrails.grounding",
        "A claim whose words, numbers or names the context does not have scores as ungrounded, with its place.",
        "guardrails/README.md",
    ),
    (
        "guardrails.language",
        "Words and sentences are found in any text, whatever its script, with their exact places.",
        "guardrails/README.md",
    ),
    (
        "guardrails.language-config",
        "A wrong configuration of a detector is refused with the name of the parameter.",
        "guardrails/README.md",
    ),
    (
        "guardrails.language-training",
        "Fitting is reproducible, and the sentences that are made for it treat all groups alike.",
        "guardrails/README.md",
    ),
]
