"""What every room needs of the machine and of errors; standard library only."""
