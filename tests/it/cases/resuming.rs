//! Runs that go on for longer, and runs that stop early.
