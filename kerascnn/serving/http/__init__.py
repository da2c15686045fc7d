"""HTTP below the endpoints: connections, bodies, forms, compression, and errors as JSON."""
