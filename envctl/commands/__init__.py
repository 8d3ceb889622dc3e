"""The command line, one module per family of verbs: arguments in, one action, text out, exit code."""
