"""The initial weights of a network: random, a library's ImageNet weights, or a file."""
