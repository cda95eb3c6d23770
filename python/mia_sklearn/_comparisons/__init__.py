"""Models side by side: what a comparison holds, and what each split of a search scored."""
