"""Model test: whatever happens to tenants, they become what their last documents say.

`model` draws what happens. `world` has the product's passes and API on a real database, and what is
outside in memory: both emulated accounts, hosts, the look from the Internet. `engine` runs the
product's own purchases, and its program's own look-ups, without Pulumi. `ends` lets processes end
or stop at any call, write or transaction; `person` does what `penguin todo` lists, and `audit` says
what differs from the documents.
"""
