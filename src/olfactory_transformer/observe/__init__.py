"""What a running server says of itself: metrics and logs."""
