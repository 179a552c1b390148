"""What `penguin describe` and `penguin render` print for people."""
