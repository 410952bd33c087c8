//! What a person runs besides the cluster itself. [`bench`] measures an API server, the start of pods and
//! an idle node, ours or any other, and prints tables or JSON; [`steps`] prints the ticked lines of a
//! command that does several things in a row; [`kubeconfig`] reads the file that says where a cluster is.
//! Row 5: nothing here is linked into a server's path, and everything speaks to the API from outside.

pub mod bench;
pub mod kubeconfig;
pub mod steps;
