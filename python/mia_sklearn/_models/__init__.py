"""What a model is: which kinds there are, how to ask one, how to make a fresh one."""
