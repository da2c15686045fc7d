"""Random changes to training pictures, made on the device inside the compiled step."""
