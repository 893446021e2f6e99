"""Bodies of requests and answers of the browser door, one module a subject."""
