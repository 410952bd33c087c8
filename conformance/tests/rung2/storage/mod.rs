//! SIG Storage: volumes that need no storage, and the objects of storage.

mod attachments;
mod classes;
mod config;
mod csi;
mod downward;
mod empty_dir;
mod immutable;
mod persistent;
mod sources;
mod subpath;
mod updates;
