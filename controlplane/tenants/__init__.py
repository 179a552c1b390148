"""Desired state: what each tenant shall have."""
