"""What runs in a container of the stand-in image: one program for all names of images."""
