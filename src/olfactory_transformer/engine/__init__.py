"""What stands between a server and the model: one contract, and engines that keep it."""
