"""Stand-ins for the images of Mailu: programs that behave as Mailu does, and say what they are."""
