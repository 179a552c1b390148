"""Credentials and certificates for the submission of mail to our hosts."""
