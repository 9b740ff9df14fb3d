"""What the commands do, each from its settings to its results."""
