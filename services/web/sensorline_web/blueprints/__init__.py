"""The addresses of the web service, one file for each kind."""
