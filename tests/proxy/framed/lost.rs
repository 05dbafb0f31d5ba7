//! Upstreams that refuse, break off, fall silent or go: what is sent again, and what never is.
