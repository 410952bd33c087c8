//! A cluster in one process for tests
