"""The lab's public authority: Pebble, Let's Encrypt's own test server, behind a proxy of ours."""
