//! The thin derive that emits a schema table and two accessors per struct
