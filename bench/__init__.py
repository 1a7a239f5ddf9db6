"""`make bench`: how fast Isthmus is next to programs people use today, in one run on one machine."""
