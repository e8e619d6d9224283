"""Where answers come from: one protocol, three kinds of upstream."""
