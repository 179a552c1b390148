"""The Pulumi program: what exists in the cloud for one tenant, by hand and for the reconciler."""
