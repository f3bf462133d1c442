"""What providers share: their settings, the texts as they go out, and a question to a service with one deadline."""
