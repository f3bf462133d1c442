"""The pure part of the guardrails: texts with their places in, a verdict out. No Django, no sockets, no clock."""
