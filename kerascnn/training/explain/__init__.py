"""Where a trained Keras network looks, and what its layers put out."""
