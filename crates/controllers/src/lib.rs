//! The controllers, one file each, and the shell that runs them
