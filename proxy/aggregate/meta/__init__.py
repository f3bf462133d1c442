"""A few tools of our own in place of all servers' tools, for keys whose surface is "meta"."""
