//! What `portcullis demo` shows: a sample API with secrets in its records, a policy for it, tokens
//! for three people, and commands to try. The command itself starts the proxy between them.

pub mod kit;
pub mod sample;
mod seed;
mod store;

pub use kit::{Kit, Running};
pub use sample::SampleUpstream;
pub use store::merge;
