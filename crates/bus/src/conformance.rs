//! What every bus does, as facts that a test can hold against an implementation.
