"""One file for each step. A step only adds, so that an operator of the step before still works on it."""
