//! The one client of the system. Every component (controllers, scheduler, kubelet, proxy, DNS) talks to the
//! API through a [`Client`]: typed calls ([`Api`]), shared caches that follow a collection ([`Informer`]),
//! a queue of keys to work on ([`WorkQueue`]), and events ([`EventRecorder`]). Below it stands a
//! [`Transport`]: in the server's own process it hands out the objects of the watch cache without copying;
//! elsewhere it speaks HTTP.

mod api;
mod events;
pub mod http;
mod informer;
mod queue;
pub mod transport;

pub use self::http::{HttpConfig, HttpError, HttpTransport};
pub use api::{Api, Client};
pub use events::EventRecorder;
pub use informer::{Change, Informer, Informers, Key};
pub use queue::WorkQueue;
pub use transport::{
    Answer, Call, DeleteOptions, Event, ListOptions, ObjectList, PatchType, Target, Transport, WatchOptions,
    WatchStream, WriteOptions,
};
