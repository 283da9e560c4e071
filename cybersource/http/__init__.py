"""What views of several rooms need of a request: its client's address, and error reports that show nothing of it."""
