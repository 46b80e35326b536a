"""The words of the system: frozen values, errors and seams. Imports nothing but the standard library."""
