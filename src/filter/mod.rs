//! The JSON engine: streaming, strict, byte-exact. It knows shapes, not roles.

pub mod algebra;
pub mod mask;
