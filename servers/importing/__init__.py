"""Moving in: other systems' configuration files as declarations of ours, with a report of what became of each part."""
