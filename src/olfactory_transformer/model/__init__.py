"""The tokens, the network and the folder it is kept in. Only `transformer`, `heads` and `checkpoint` need torch."""
