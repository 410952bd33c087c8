//! The supervisor of one pod, and the protocol it speaks. The executable `corten-pod` is small, has one
//! thread and no async runtime, for there is one per pod: it holds the pod's namespaces, starts and reaps its
//! containers, writes their logs and records their ends. The runtime tells it what to do through a unix
//! socket in the words of [`protocol`]; everything is decided there ([`protocol::Launch`] is a finished
//! plan), and carried out here.

pub mod protocol;
pub mod wire;
