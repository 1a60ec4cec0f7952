"""Plain convolutional network."""
