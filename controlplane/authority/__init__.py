"""Who may submit mail to our hosts, and how a submitter knows that a host is ours."""
