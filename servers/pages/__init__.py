"""Pages about servers that are more than a row: a server, a tool, what waits for review, caches, and the first day."""
