"""What turns a blueprint into hosts: the engine, the playbooks, first contact."""
