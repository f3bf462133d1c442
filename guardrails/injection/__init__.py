"""Signs of prompt injection in texts: each module owns one kind, and none knows policies, messages or Django."""
