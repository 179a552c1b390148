"""What nginx, Dovecot, Postfix and rspamd ask below `/internal`, without any token."""
