"""Makes the weights in guardrails/weights again from labelled data; nothing here runs in the gateway."""
