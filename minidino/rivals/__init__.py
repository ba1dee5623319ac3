"""DINO's rivals, a file each: the same backbone, crops, loop and evaluation, another objective."""
