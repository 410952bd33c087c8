//! SIG Node: what pods ask for, and the objects around them.

mod dra;
mod env;
mod ephemeral;
mod expansion;
mod generation;
mod hooks;
mod hosts;
mod init;
mod objects;
mod probes;
mod resize;
mod runtime;
mod runtime_class;
mod security;
