"""How good and how fast the guardrails are on labelled data. No Django, no network; numbers out of rows."""
