"""Reading an image of a registry without Docker: where it is, what it is made of, which Python packages it holds."""
