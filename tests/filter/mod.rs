//! The streaming filter against a tree: two readings of `bodies.md` that share nothing.

mod documents;
mod joined;
mod oracle;
mod paired;
mod patched;
mod picked;
mod rows;
mod rowtree;
mod streamed;
mod tagged;
mod tagtree;
mod valued;
mod written;
