"""The phases, one file each and independent; the composition root assembles them."""
