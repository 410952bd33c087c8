//! The registry's behaviour over the store in memory, with virtual time.

mod bootstrap;
mod deletion;
mod embedded;
mod encryption;
mod fixture;
mod optional_checks;
mod paging;
mod restart;
mod services;
mod subresources;
mod versions;
mod watch;
mod writes;
