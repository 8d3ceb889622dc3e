"""One module for each of the APIs that the emulator serves."""
