//! Who is it, and may they: certificates, tokens, RBAC
