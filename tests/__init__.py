"""The tests; a package, so that one test may import tests.support."""
