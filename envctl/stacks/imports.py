def import_asked(loaded):
    return frozenset()
