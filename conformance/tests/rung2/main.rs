//! What a node must do, and the objects of SIG Node and SIG Storage: the specs of group `[NodeConformance]` and of
//! these two, as far as they are not of rung 1. `spec_alone` ones stand last, since they wait for all others.

mod network;
mod node;
mod storage;
mod taints;
