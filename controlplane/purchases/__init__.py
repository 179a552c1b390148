"""What the purchase journal says of itself."""
