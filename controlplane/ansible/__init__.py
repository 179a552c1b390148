"""The `Configurator` on Ansible and SSH."""
