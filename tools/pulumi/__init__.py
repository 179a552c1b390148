"""Installs the Pulumi engine: from PATH, a download, or a build of the published modules."""
