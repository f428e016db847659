//! What every lock manager does, as facts that a test can hold against an implementation.
