"""What a trained Keras network looks at, and the outputs of its layers."""
