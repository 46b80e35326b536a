"""The world in a box: an exchange and a model that speak HTTP. Imported by its own tests only."""
