"""Real servers that tests start in a folder of their own and give back."""
