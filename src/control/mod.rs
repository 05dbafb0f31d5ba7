//! What is live, and how it changes.
