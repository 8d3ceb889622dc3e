"""Where lists of preinstalled packages come from: Google's pages, the registry of images, running environments."""
