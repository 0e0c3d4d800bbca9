"""Machines that do not exist: a kernel in memory, the layouts of real hosts shown by it, and hosts drawn at random."""
