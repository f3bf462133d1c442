"""What makes files of the log, one form each."""
