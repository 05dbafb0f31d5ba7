//! Who is calling: authenticators, and one caller or a refusal.

/// The compiled authenticators of one policy.
#[derive(Debug, Default)]
pub struct Identity {}
