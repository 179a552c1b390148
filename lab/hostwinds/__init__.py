"""An emulator of the Hostwinds Cloud API with its documented quirks, in front of real machines."""
