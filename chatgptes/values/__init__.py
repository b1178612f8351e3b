"""Values that go in and come out: no I/O."""
