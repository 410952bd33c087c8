//! The Kubernetes API's types, their schema, and the values they are made of
