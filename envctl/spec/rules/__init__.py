"""Rules that need more than one field, or a table: everything that Google would refuse later, found offline now."""
