"""End-to-end tests: real processes on loopback, nothing but the standard library. See tests/e2e/README.md."""
