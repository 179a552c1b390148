"""The contract with Mailu's admin: calls that a real one and the stand-in answer alike.

The target is `MAILU_CONTRACT_URL` (admin's `/api/v1`) with the token `MAILU_CONTRACT_TOKEN`;
without them, a stand-in that the suite starts. It works in domains of its own and removes them.
"""
