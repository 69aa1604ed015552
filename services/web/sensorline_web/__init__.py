"""The web service: REST over the store, live readings over Socket.IO, and the page that shows both."""
