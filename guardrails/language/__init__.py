"""Words, sentences and likeness of texts, for detectors that compare what is said with what was asked or given."""
