"""One contract, every wiper, technique, store, error and command."""
