"""Networks as targets, and what is inside them."""
