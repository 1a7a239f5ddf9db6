"""What any process needs and no domain may know: settings, logs, errors, RPC, discovery, loops."""
