"""`make bench-hosts`: what it costs to configure hosts, and what a host with Mailu needs."""
