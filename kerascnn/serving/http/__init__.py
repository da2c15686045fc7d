"""HTTP below the endpoints: connections, bodies, forms, compression, and JSON errors."""
