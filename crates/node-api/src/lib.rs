//! CRI wire types and client
