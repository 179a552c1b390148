"""What operators freeze for the whole platform: purchases, and the end of servers."""
