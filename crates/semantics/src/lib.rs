//! Pure rules that several parts share
