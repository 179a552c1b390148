"""What operators limit purchases to: of the platform, of each tenant, of one tenant."""
