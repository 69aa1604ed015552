"""Stores: where readings are kept. `base` has the protocols, one package or file for each store."""
