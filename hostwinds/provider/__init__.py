"""A native Pulumi provider plugin, `pulumi-resource-hostwinds`, over client and journal."""
