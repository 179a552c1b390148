"""An emulator of Cloudflare's API v4 for zones and DNS records, in front of a real name server."""
