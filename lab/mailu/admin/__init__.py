"""The stand-in for Mailu's application `admin`: REST API, answers to the other containers, CLI.

It runs inside an image of Debian 12 packages, so it imports the standard library, `cryptography`,
`dns` and `yaml` of that release, and `kit.queries`; nothing else of the lab.
"""
