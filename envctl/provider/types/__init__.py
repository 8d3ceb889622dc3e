"""Tables of resource types, one module per service."""
