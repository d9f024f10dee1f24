"""The nouns: frozen values with no behaviour beyond their own algebra. No I/O."""
