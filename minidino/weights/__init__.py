"""Trained weights: released ones, files of others, and files for others."""
