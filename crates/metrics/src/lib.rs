//! What every server counts of its own work, and how Prometheus reads it. A [`Histogram`] is a handful of atomic
//! additions; [`Series`] keeps things apart by their labels, within a bound; [`Text`] is made when somebody asks. The
//! API server, admission and the kubelet count with these; which figures there are, and their names, is theirs.

mod histogram;
mod labels;
mod process;
mod series;
mod text;

pub use histogram::Histogram;
pub use labels::{Labels, labels};
pub use process::write_process;
pub use series::Series;
pub use text::{Kind, TEXT_FORMAT, Text};
