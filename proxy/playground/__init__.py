"""Calls that a person makes in the browser: through the pipeline of all calls, as themselves, each stage shown."""
