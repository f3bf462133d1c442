"""What credentials look like: the forms that vendors gave them, and the judgement of values that are called secret."""
