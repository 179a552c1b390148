"""The sandbox: a control plane in the lab, as `make demo` and `make up` start it."""
