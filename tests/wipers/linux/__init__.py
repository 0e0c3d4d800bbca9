"""What the hot room reads of a machine, shown machines that do not exist."""
