"""One turn, from its place in the queue to the last byte."""
