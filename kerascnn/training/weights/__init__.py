"""What a network starts from: nothing, a library's ImageNet weights, or a file."""
