"""What was found of tenants from outside, when, and when it is checked again."""
