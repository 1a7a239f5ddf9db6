"""From a view of the members to what the control plane says; plain data, no I/O."""
