"""The log in the browser: who may read what of it, its lists, its events, the proof of one, and what comes just now."""
