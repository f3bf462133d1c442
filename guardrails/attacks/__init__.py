"""What attacks carried in texts look like, one file per family; libinjection behind one interface. Pure."""
