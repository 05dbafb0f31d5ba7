//! Who is calling: authenticators, and one caller or a refusal.
