"""Random augmentation of training pictures, on the device inside the compiled step."""
