"""Power cuts, lies, full disks and silent registries."""
