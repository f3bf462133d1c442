"""The live tail: a feed of each process follows the log while anybody listens, and gives each what is theirs."""
