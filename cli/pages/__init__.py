"""The pages that `penguin describe` and `penguin render` print for people."""
