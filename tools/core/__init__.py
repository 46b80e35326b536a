"""The words of the system: frozen values, errors and seams, over the standard library alone."""
