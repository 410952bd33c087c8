//! SIG Node: pods and what runs in them.

mod config;
mod containers;
mod pods;
