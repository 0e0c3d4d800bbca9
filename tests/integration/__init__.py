"""Real devices, programs and sockets."""
